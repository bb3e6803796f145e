from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_nas.agents.mixed_designer import TRY_EVERY, MixedDesigner, model_slots, worth

from llm_nas.claims import Heuristic
from llm_nas.domain import Niche, Proposal
from llm_nas.errors import ModelReplyError
from llm_nas.ports import NicheView

EXTRA = 2


def view(
    slots: int, generation: int = 1, generations: int = 10, **gains: tuple[float, ...]
) -> NicheView:
    return NicheView(
        dataset="cifar10",
        device="toy",
        niche=Niche(id="S0", rule="any"),
        generation=generation,
        generations=generations,
        slots=slots,
        archive=(),
        measured=(),
        gaps_ms=(),
        failures=(),
        gains=gains,
    )


def quiet() -> int:
    """A generation in which this niche tries no source that is behind."""
    return next(g for g in range(1, 9) if model_slots({}, "model", "offline", view(6, g)) == 0)


class Scripted:
    """Proposes `slots` numbered cells, the model some more, or fails."""

    def __init__(self, source: str, *, fails: bool = False) -> None:
        self.source = source
        self._fails = fails

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        if self._fails:
            raise ModelReplyError("no answer")
        return tuple(
            Proposal(arch=f"{self.source}{i}", operator="model", source=self.source)
            for i in range(view.slots + (EXTRA if self.source == "model" else 0))
        )


def sources(view: NicheView, *, fails: bool = False) -> list[str]:
    mixed = MixedDesigner(Scripted("model", fails=fails), Scripted("offline"))
    return [p.source for p in mixed.propose(view, (), np.random.default_rng(0))]


def test_the_first_generation_is_the_offline_designers() -> None:
    assert sources(view(4, 0)) == ["offline"] * 4


def test_in_the_only_generation_the_slots_are_shared_and_left_overs_follow() -> None:
    told = sources(view(4, 0, generations=1))
    assert told == ["model"] * 2 + ["offline"] * 2 + ["model"] * EXTRA + ["offline"] * 2


def test_slots_follow_the_measured_gain() -> None:
    good = view(6, quiet(), model=(1.0, 1.0), offline=(0.3, 0.3))
    bad = view(6, quiet(), model=(0.0, 0.1), offline=(1.0, 1.0))
    assert sources(good)[:6].count("model") > 3
    assert sources(bad).count("model") == 0
    assert sources(view(6, quiet())).count("model") == 0


def test_a_useless_model_is_tried_again_now_and_then() -> None:
    given_slots = [
        model_slots({"model": (0.0,), "offline": (0.1,)}, "model", "offline", view(3, generation))
        for generation in range(1, 1 + 2 * TRY_EVERY)
    ]
    assert sum(given_slots) == 2
    assert model_slots({}, "model", "offline", view(1, quiet() + TRY_EVERY - 1)) == 0


def test_a_failure_passes_through_wherever_the_model_had_slots() -> None:
    for slots in (4, 1):
        with pytest.raises(ModelReplyError):
            sources(view(slots, 0, generations=1), fails=True)
    assert sources(view(6, quiet()), fails=True) == ["offline"] * 6


def test_recent_gains_weigh_more_and_few_gains_are_doubted() -> None:
    assert worth([0.0, 1.0]) > worth([1.0, 0.0]) > 0.0
    assert worth([]) == 0.0
    assert worth([], 0.5) == 0.5
    assert worth([1.0]) == 0.5
    assert worth([0.2] * 40, 0.2) == pytest.approx(0.2)
    assert worth([1.0, 1.0]) > worth([1.0])


def test_the_offline_designer_keeps_one_slot_where_there_are_two() -> None:
    """Otherwise a lucky first child would end the comparison."""
    best = {"model": (1.0,) * 9, "offline": (0.0,) * 9}
    given_slots = [model_slots(best, "model", "offline", view(n)) for n in (1, 2, 5)]
    assert given_slots == [1, 1, 4]


@given(
    st.integers(0, 8),
    st.integers(0, 20),
    st.lists(st.floats(0, 1), max_size=5),
    st.lists(st.floats(0, 1), max_size=5),
)
def test_slots_are_never_exceeded(
    slots: int, generation: int, mine: list[float], other: list[float]
) -> None:
    place = view(slots, generation, model=tuple(mine), offline=tuple(other))
    wanted = model_slots(place.gains, "model", "offline", place)
    assert 0 <= wanted <= slots
    assert sources(place)[:slots].count("model") == wanted
    assert len(sources(place)) == slots + (EXTRA + wanted if wanted else 0)
