"""Lift counts Designer calls, of Designers that read."""

from pathlib import Path

import pytest

from llm_nas.knowledge.memory.lift import lift_of
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Trial
from tests.knowledge.world import HERE, K1, PARTITION, SPACE, claim, lesson, run_lesson

KEY = claim(K1).key


def trials(generation: int, niche: str, gain: float, *, shown: bool, read: bool) -> list[Trial]:
    given, held = ((KEY,), ()) if shown else ((), (KEY,))
    call = f"{generation}/{niche}/designer"
    return [Trial(call, f"{call}{n}", given, held, True, gain, read) for n in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> HeuristicStore:
    opened = HeuristicStore.open(tmp_path, space=SPACE, partition=PARTITION)
    opened.learn(run_lesson(1, 20, claims=[claim(K1)]))
    return opened


def teach(store: HeuristicStore, *, read: bool, gain: float = -0.1, calls: int = 6) -> None:
    """In every generation six niches are shown the claim, and six have it withheld."""
    for generation in range(1, 1 + calls // 6):
        told = [
            trial
            for niche in range(6)
            for shown in (True, False)
            for trial in trials(
                generation,
                f"S{niche}{shown}",
                (gain if shown else 0.0) + 0.001 * niche,
                shown=shown,
                read=read,
            )
        ]
        store.learn(lesson(run="m", generation=generation, trials=told))


def test_calls_of_different_niches_are_told_apart(store: HeuristicStore) -> None:
    """Fault: six niches' calls with equal shown sets once counted as one."""
    teach(store, read=True)
    found = store.show(KEY)
    assert found.lift_calls == 12
    assert found.lift == pytest.approx(-0.1)
    assert found.lift_low is not None
    assert found.lift_low < -0.1 < 0.0


def test_designers_that_do_not_read_teach_nothing(store: HeuristicStore) -> None:
    """Fault: in offline runs children ignore what was shown, so lift measured noise."""
    teach(store, read=False, calls=24)
    assert (store.show(KEY).lift, store.show(KEY).benched) == (None, False)


def test_a_harmful_claim_is_benched_and_comes_back(store: HeuristicStore) -> None:
    teach(store, read=True, calls=12)
    assert store.show(KEY).benched
    assert KEY not in {h.id for h in store.recall(HERE, "S0", k=100)}
    assert "lift -0.1" in next(e.body for e in store.history(KEY) if e.kind == "bench")
    for generation in range(10, 60):
        told = [
            t
            for shown in (True, False)
            for t in trials(generation, str(shown), float(shown), shown=shown, read=True)
        ]
        store.learn(lesson(run="m", generation=generation, trials=told))
    assert not store.show(KEY).benched


def test_lift_is_welchs_difference() -> None:
    lift = lift_of([1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 0.5, 1.0, 1.5, 2.0])
    assert lift is not None
    # Squared errors 2.5 / 5 and 0.625 / 5; 5.88 degrees of freedom; t(.95) = 1.951.
    assert lift.mean == pytest.approx(2.0)
    assert lift.high - lift.mean == pytest.approx(1.951 * 0.625**0.5, rel=2e-3)
    assert lift_of([1.0] * 4, [0.0] * 9) is None
