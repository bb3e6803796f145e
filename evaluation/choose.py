"""Help to choose one network of a front: its knee, and what the next millisecond buys."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from llm_nas.domain import Arch, FloatArray, FrontPoint, Metric
from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen


class Step(Frozen):
    """From one network of the front to the next slower one, and what the time buys."""

    arch: Arch
    slower: Arch
    extra_ms: float
    less_error: float
    """Error saved, in the metric's unit."""


def knee(front: Sequence[FrontPoint], metric: Metric) -> FrontPoint:
    """The network farthest below the line between the front's ends, both axes scaled to [0, 1].

    Of a front of one or two, or a straight one, the fastest (Das 1999, the maximum bulge).

    Raises:
        RequestError: For an empty front.
    """
    if not front:
        raise RequestError("nothing to choose from: the front is empty")
    members = sorted(front, key=lambda p: p.latency_ms)
    if len(members) < 3:
        return members[0]
    errors = _scaled(np.array([metric.error(p.value) for p in members]))
    bulge = 1.0 - errors - _scaled(np.array([p.latency_ms for p in members]))
    return members[int(np.argmax(bulge))]


def _scaled(values: FloatArray) -> FloatArray:
    low, high = values.min(), values.max()
    return np.asarray((values - low) / ((high - low) or 1.0), dtype=np.float64)


def steps(front: Sequence[FrontPoint], metric: Metric) -> tuple[Step, ...]:
    """What every step to the next slower network costs and buys, from the fastest on."""
    members = sorted(front, key=lambda p: p.latency_ms)
    return tuple(
        Step(
            arch=fast.arch,
            slower=slow.arch,
            extra_ms=slow.latency_ms - fast.latency_ms,
            less_error=metric.error(fast.value) - metric.error(slow.value),
        )
        for fast, slow in pairwise(members)
    )
