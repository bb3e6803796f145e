"""Slots are shared by what candidates were worth, and the model's share is bounded."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.agents.mixed import LEAST_SHARE, MixedDesigner, earned_share, model_slots, worth
from llm_nas.claims import Heuristic
from llm_nas.conditions import Anything
from llm_nas.domain import ACCURACY, Candidate, ContextName, Limits, Niche
from llm_nas.errors import ModelReplyError
from llm_nas.ports import NicheView

EXTRA = 2
NONE: Mapping[str, tuple[float, ...]] = {}


def view(
    slots: int, generation: int = 1, niche: str = "S0", **gains: tuple[float, ...]
) -> NicheView:
    return NicheView(
        context=ContextName(space="toy", task="t", device="d"),
        metric=ACCURACY,
        niche=Niche(id=niche, rule="any", condition=Anything()),
        generation=generation,
        slots=slots,
        limits=Limits(),
        archive=(),
        measured=(),
        gaps_ms=(),
        failures=(),
        gains=gains,
    )


class Scripted:
    """Proposes `slots` numbered networks, the model some more, or fails."""

    def __init__(self, source: str, *, fails: bool = False) -> None:
        self.source = source
        self._fails = fails

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Candidate, ...]:
        if self._fails:
            raise ModelReplyError("no answer")
        count = view.slots + (EXTRA if self.source == "model" else 0)
        return tuple(
            Candidate(arch=f"{self.source}{i}", niche="S0", origin=self.source)
            for i in range(count)
        )


def origins(view: NicheView, *, share: float = 0.3, fails: bool = False) -> list[str]:
    mixed = MixedDesigner(Scripted("model", fails=fails), Scripted("offline"), share)
    return [c.origin for c in mixed.propose(view, (), np.random.default_rng(0))]


def over_a_run(share: float = 0.3, gains: Mapping[str, tuple[float, ...]] = NONE) -> float:
    """The model's part of single slots in six niches."""
    niches = [f"S{i}" for i in range(6)]
    given_slots = [
        model_slots(view(1, generation, niche, **gains), "model", share)
        for generation in range(1, 41)
        for niche in niches
    ]
    return sum(given_slots) / len(given_slots)


def test_the_models_candidates_come_first_and_left_overs_last() -> None:
    told = origins(view(4, model=(1.0,) * 9, advisor=(0.1,)), share=0.5)
    assert told == ["model"] * 2 + ["offline"] * 2 + ["model"] * EXTRA + ["offline"] * 2


def test_a_good_model_gets_its_share_and_not_more() -> None:
    best: Mapping[str, tuple[float, ...]] = {"model": (1.0,) * 9, "advisor": (0.1,) * 9}
    assert over_a_run(gains=best) == pytest.approx(0.3, abs=0.02)
    assert over_a_run(0.1, best) == pytest.approx(0.1, abs=0.02)
    assert over_a_run(0.0, best) == 0.0


def test_a_model_that_does_not_pay_loses_its_share() -> None:
    poor: Mapping[str, tuple[float, ...]] = {"model": (0.0,) * 4, "advisor": (0.6, 1.0)}
    assert over_a_run(gains=poor) == pytest.approx(LEAST_SHARE, abs=0.02)
    assert LEAST_SHARE < over_a_run() < 0.3
    assert earned_share({"model": (0.0, 0.0, 1.0, 1.0, 1.0)}, "model", 0.3) == 0.3


def test_the_opening_is_not_shared_again() -> None:
    assert origins(view(6, 0), fails=True) == ["offline"] * 6


def test_turns_are_spread_over_niches_and_generations() -> None:
    turns = [
        [model_slots(view(1, g, f"S{n}"), "model", 0.3) for n in range(6)] for g in range(1, 31)
    ]
    assert max(map(sum, turns)) <= 3
    assert all(sum(row[n] for row in turns) > 0 for n in range(6))


def test_without_a_slot_the_model_is_not_asked() -> None:
    quiet = next(g for g in range(9) if model_slots(view(1, g), "model", 0.3) == 0)
    assert origins(view(1, quiet), fails=True) == ["offline"]


def test_a_failure_passes_through() -> None:
    with pytest.raises(ModelReplyError):
        origins(view(10), fails=True)


def test_recent_gains_weigh_more_and_few_gains_are_doubted() -> None:
    assert worth([0.0, 1.0], 0.0) > worth([1.0, 0.0], 0.0) > 0.0
    assert worth([], 0.5) == 0.5
    assert worth([1.0], 0.0) == 0.5
    assert worth([0.2] * 40, 0.2) == pytest.approx(0.2)


@given(
    st.integers(0, 8),
    st.integers(0, 20),
    st.floats(0, 1),
    st.lists(st.floats(-1, 1), max_size=5),
    st.lists(st.floats(-1, 1), max_size=5),
)
def test_slots_are_never_exceeded(
    slots: int, generation: int, share: float, mine: list[float], other: list[float]
) -> None:
    place = view(slots, generation, model=tuple(mine), advisor=tuple(other))
    wanted = model_slots(place, "model", share)
    assert 0 <= wanted <= slots
    told = origins(place, share=share)
    assert told[:slots].count("model") == wanted
    assert len(told) == slots + (EXTRA + wanted if wanted else 0)
