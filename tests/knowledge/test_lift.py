"""Lift by withholding at random: a planted useful and a planted harmful heuristic."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from llm_nas.claims import Claim, Heuristic, OpAt
from llm_nas.evaluation.lift import BENCH_CALLS, LEAST_CALLS, Side, Tally, harmful, lift_of
from llm_nas.graph.withholding import withhold
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson, Trial

ClaimMaker = Callable[..., Claim]
LessonMaker = Callable[..., Lesson]


def _side(gains: np.ndarray, valid: np.ndarray) -> Side:
    sums = (gains.sum(), (gains**2).sum(), valid.sum(), (valid**2).sum())
    return Side(len(gains), *map(float, sums))


def test_the_intervals_are_welchs() -> None:
    rng = np.random.default_rng(0)
    gains = rng.normal(0.3, 1.0, 9), rng.normal(0.0, 2.0, 14)
    valid = rng.random(9), rng.random(14) ** 2
    lift = lift_of(Tally(_side(gains[0], valid[0]), _side(gains[1], valid[1])))
    assert lift is not None
    for found, (shown, held) in ((lift.gain, gains), (lift.validity, valid)):
        expected = stats.ttest_ind(shown, held, equal_var=False).confidence_interval(0.9)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert found.mean == pytest.approx(shown.mean() - held.mean())


def test_few_calls_say_nothing_and_bench_nobody() -> None:
    rng = np.random.default_rng(0)

    def tally(calls: int) -> Tally:
        bad, good = rng.normal(-1.0, 0.1, calls), rng.normal(1.0, 0.1, calls)
        return Tally(_side(bad, bad), _side(good, good))

    assert lift_of(tally(LEAST_CALLS - 1)) is None
    assert lift_of(tally(LEAST_CALLS)) is not None
    assert not harmful(tally(BENCH_CALLS - 1))
    assert harmful(tally(BENCH_CALLS))


class _Designers:
    """Designer calls whose children gain what the heuristics they are shown are worth."""

    def __init__(self, store: HeuristicStore, lesson: Lesson) -> None:
        self._store = store
        self._lesson = lesson
        self._rng = np.random.default_rng(0)
        self._calls = 0

    def call(self, times: int, gain: dict[str, float], valid: dict[str, float]) -> None:
        for _ in range(times):
            recalled = (*self._store.retrieve(), *self._store.on_bench())
            shown, held = withhold(recalled, self._rng)
            worth = 1.0 + sum(gain.get(h.id, 0.0) for h in shown) + self._rng.normal(0, 0.1)
            share = 0.5 + sum(valid.get(h.id, 0.0) for h in shown)
            self._calls += 1
            trials = tuple(
                Trial(
                    arch=f"{self._calls}/{child}",
                    shown=tuple(h.id for h in shown),
                    withheld=tuple(h.id for h in held),
                    valid=bool(self._rng.random() < share),
                    gain=worth,
                )
                for child in range(4)
            )
            lesson = replace(self._lesson, generation=self._calls, measured=(), trials=trials)
            self._store.learn(lesson)

    def see(self, claim: Claim) -> Heuristic:
        return self._store.show(claim.key)


def test_a_useful_heuristic_stays_a_harmful_one_is_benched_and_comes_back(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    useful, harm, idle = (
        claim(OpAt(edge=edge, op="nor_conv_3x3")) for edge in ("1>2", "1>3", "1>4")
    )
    taught = lesson(useful, harm, idle, cells=80)
    store.learn(taught)
    designers = _Designers(store, taught)
    designers.call(60, {useful.key: 0.3, harm.key: -0.3}, {useful.key: 0.3})
    good, bad = designers.see(useful), designers.see(harm)
    assert (good.lift_low or 0.0) > 0
    assert (good.valid_low or 0.0) > 0
    assert (bad.lift_high or 0.0) < 0
    assert (good.benched, bad.benched) == (False, True)
    assert not designers.see(idle).benched
    assert harm.key not in {h.id for h in store.retrieve()}
    assert [h.id for h in store.on_bench()] == [harm.key]
    designers.call(120, {useful.key: 0.3, harm.key: 1.0}, {})
    assert not designers.see(harm).benched
    steps = [e for e in store.history(harm.key) if e.kind == "bench"]
    assert [('"benched": true' in e.body) for e in steps] == [True, False]
    assert all("lift" in e.body and "calls" in e.body for e in steps)
    benched = {h.id: h.benched for h in store.list()}
    lifts = {h.id: h.lift for h in store.list()}
    store.rebuild()
    assert {h.id: h.benched for h in store.list()} == benched
    assert {h.id: h.lift for h in store.list()} == pytest.approx(lifts)
