"""A search's front beside networks a practitioner would have tried, on a real task.

Points are pairs of latency in ms and error in %, both minimised.
"""

from collections.abc import Sequence
from statistics import median

from llm_nas.frozen import Frozen

Point = tuple[float, float]
"""Latency in ms, error in %."""

_MARGIN = 1.1


class Beside(Frozen):
    """How a front compares with the baselines'; None where there is nothing to compare."""

    hv: float | None
    """Hypervolume over that of the baselines."""
    hv_baselines: float | None
    """1: the unit of `hv`."""
    speedup_at_equal_accuracy: float | None
    """Median over the baselines' front; an accuracy that is not reached counts as 0."""
    gain_at_equal_latency_pct: float | None
    """Median over the baselines' front, in points; a latency not reached counts as 0 %."""


def beside(front: Sequence[Point], baselines: Sequence[Point]) -> Beside:
    """All figures of a front against the baselines."""
    known = hypervolume(baselines, reference_point(baselines)) if baselines else 0.0
    if known <= 0:
        return Beside(
            hv=None,
            hv_baselines=None,
            speedup_at_equal_accuracy=None,
            gain_at_equal_latency_pct=None,
        )
    return Beside(
        hv=hypervolume(front, reference_point(baselines)) / known,
        hv_baselines=1.0,
        speedup_at_equal_accuracy=speedup(front, baselines),
        gain_at_equal_latency_pct=gain(front, baselines),
    )


def reference_point(baselines: Sequence[Point]) -> Point:
    """1.1 times the baselines' greatest latency and greatest error."""
    return (
        _MARGIN * max(latency for latency, _ in baselines),
        _MARGIN * max(error for _, error in baselines),
    )


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Area that the points dominate below a reference point, in ms x %."""
    area, ceiling = 0.0, reference[1]
    for latency, error in sorted(points):
        if latency < reference[0] and error < ceiling:
            area += (reference[0] - latency) * (ceiling - error)
            ceiling = error
    return area


def non_dominated(points: Sequence[Point]) -> list[Point]:
    """Points no other is at least as good as in both, by latency; equal ones once."""
    kept: list[Point] = []
    for point in sorted(set(points)):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    return kept


def speedup(front: Sequence[Point], baselines: Sequence[Point]) -> float:
    """How many times faster a network of at least the same accuracy is: median."""
    ratios: list[float] = []
    for latency, error in non_dominated(baselines):
        as_good = [mine for mine, my_error in front if my_error <= error]
        ratios.append(latency / min(as_good) if as_good else 0.0)
    return median(ratios)


def gain(front: Sequence[Point], baselines: Sequence[Point]) -> float:
    """Points of accuracy that a network of at most the same latency has more: median."""
    gains: list[float] = []
    for latency, error in non_dominated(baselines):
        as_fast = [my_error for mine, my_error in front if mine <= latency]
        gains.append(error - min(as_fast, default=100.0))
    return median(gains)
