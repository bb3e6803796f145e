"""Help to choose one cell of a front: its knee, a latency limit, the next millisecond."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from llm_nas.domain import FloatArray, FrontPoint, Frozen
from llm_nas.errors import RequestError
from llm_nas.evaluation.indicators import non_dominated_mask, objectives


class Step(Frozen):
    """From one cell of the front to the next slower one, and what the time buys."""

    arch: str
    slower: str
    extra_ms: float
    extra_pct: float
    """Predicted accuracy gained, in percentage points."""

    @property
    def pct_per_ms(self) -> float:
        """Percentage points a millisecond."""
        return self.extra_pct / self.extra_ms


def claimed(front: Sequence[FrontPoint]) -> list[FrontPoint]:
    """The front by latency, without cells that another one beats in predicted accuracy.

    Raises:
        RequestError: For an empty front.
    """
    if not front:
        raise RequestError("nothing to choose from: the front is empty")
    points = objectives([p.predicted_accuracy_pct for p in front], [p.latency_ms for p in front])
    kept = [p for p, keep in zip(front, non_dominated_mask(points), strict=True) if keep]
    by_place = {(p.latency_ms, p.predicted_accuracy_pct): p for p in reversed(kept)}
    return [by_place[place] for place in sorted(by_place)]


def knee(front: Sequence[FrontPoint]) -> FrontPoint:
    """The cell farthest above the line between the front's ends, both axes scaled to [0, 1].

    Of a front of one or two cells, or a straight one, the fastest (Das 1999, the maximum
    bulge). Raises `RequestError` for an empty front.
    """
    cells = claimed(front)
    latency = np.array([c.latency_ms for c in cells])
    accuracy = np.array([c.predicted_accuracy_pct for c in cells])
    if len(cells) < 3:
        return cells[0]
    bulge = _scaled(accuracy) - _scaled(latency)
    return cells[int(np.argmax(bulge))]


def _scaled(values: FloatArray) -> FloatArray:
    low, high = values.min(), values.max()
    return np.asarray((values - low) / (high - low), dtype=np.float64)


def best_within(front: Sequence[FrontPoint], limit_ms: float) -> FrontPoint | None:
    """The most accurate cell, by prediction, that is not slower than the limit; None if none."""
    fitting = [c for c in claimed(front) if c.latency_ms <= limit_ms]
    return fitting[-1] if fitting else None


def steps(front: Sequence[FrontPoint]) -> tuple[Step, ...]:
    """What every step to the next slower cell costs and buys, from the fastest on."""
    cells = claimed(front)
    return tuple(
        Step(
            arch=a.arch,
            slower=b.arch,
            extra_ms=b.latency_ms - a.latency_ms,
            extra_pct=b.predicted_accuracy_pct - a.predicted_accuracy_pct,
        )
        for a, b in pairwise(cells)
    )
