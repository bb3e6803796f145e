"""Lift on the report page: the store's definition, worked out from a run's trace."""

from collections import defaultdict

import numpy as np
import pytest
from scipy import stats

from llm_nas.domain import TraceEvent
from llm_nas.evaluation.page_events import Block
from llm_nas.evaluation.page_heuristics import PageHeuristic, page_heuristics


def event(generation: int, niche: str, kind: str, **data: object) -> TraceEvent:
    return TraceEvent(
        ts="",
        run="r",
        generation=generation,
        niche=niche,
        role="x",
        event=kind,
        seq=0,
        data=data,
    )


def call(
    generation: int, shown: bool, gains: list[float], rejected: int = 0, niche: str = "S0"
) -> list[TraceEvent]:
    """The events of one designer call that saw a heuristic or had it withheld."""
    seen = [{"id": "h", "statement": "more 3x3"}]
    recalled = {"shown": seen if shown else [], "withheld": [] if shown else ["h"]}
    verdicts = [
        event(generation, niche, "verdict", arch=f"bad{i}", decision="rejected", reason="illegal")
        for i in range(rejected)
    ]
    return [
        event(generation, niche, "heuristics", **recalled),
        *verdicts,
        event(generation, niche, "change", gains=gains),
    ]


def on_page(events: list[TraceEvent]) -> PageHeuristic:
    blocks: dict[tuple[int, str], Block] = defaultdict(Block)
    for e in events:
        blocks[e.generation, e.niche].take(e)
    (found,) = page_heuristics(events, blocks)
    return found


def test_lift_is_a_difference_between_calls_with_its_welch_interval() -> None:
    rng = np.random.default_rng(0)
    seen, held = rng.normal(0.3, 0.1, (7, 3)), rng.normal(0.1, 0.2, (6, 2))
    events = [e for g, gains in enumerate(seen) for e in call(g, True, gains.tolist())]
    events += [e for g, gains in enumerate(held, 7) for e in call(g, False, gains.tolist())]
    found = on_page(events)
    expected = stats.ttest_ind(seen.mean(axis=1), held.mean(axis=1), equal_var=False)
    interval = expected.confidence_interval(0.9)
    assert (found.lift_low, found.lift_high) == pytest.approx((interval.low, interval.high))
    assert found.lift == pytest.approx(seen.mean() - held.mean())
    assert (found.shown, found.withheld) == (7, 6)


def test_few_calls_have_no_lift() -> None:
    events = [e for g in range(5) for e in call(g, True, [0.1 * g])]
    events += [e for g in range(5, 9) for e in call(g, False, [0.1 * g])]
    assert on_page(events).lift is None
    assert on_page([*events, *call(9, False, [0.1])]).lift is not None


def test_a_rejected_child_gains_nothing_and_twice_the_same_question_is_one_call() -> None:
    calls = [(g, g < 5, [1.0], 0) for g in range(10)]
    even = [e for g, shown, gains, bad in calls for e in call(g, shown, gains, bad)]
    half = [e for g, shown, gains, bad in calls for e in call(g, shown, gains, bad + shown)]
    assert on_page(even).lift == 0.0
    assert on_page(half).lift == -0.5
    twice = [*even, *call(0, True, [0.0], niche="S1")]
    assert on_page(twice).lift == pytest.approx(-0.1)
    assert on_page(twice).shown == 5
