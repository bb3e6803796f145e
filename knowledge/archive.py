"""Pareto archives: the trained networks that no other one dominates in error and latency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from llm_nas.domain import ACCURACY, Measurement, Metric


@dataclass(frozen=True, slots=True)
class Corner:
    """The worst corner of the box in which hypervolume is counted."""

    latency_ms: float
    error: float


@dataclass(frozen=True, slots=True)
class ParetoArchive:
    """Mutually non-dominated networks by latency; immutable, the first of equals stays."""

    metric: Metric = ACCURACY
    members: tuple[Measurement, ...] = ()

    def add(self, measured: Iterable[Measurement]) -> "ArchiveChange":
        """A new archive with these networks taken in, and what that changed."""
        before = set(self.members)
        merged = _staircase([*self.members, *measured], self.metric)
        after = set(merged)
        return ArchiveChange(
            archive=ParetoArchive(self.metric, merged),
            added=tuple(m for m in merged if m not in before),
            removed=tuple(m for m in self.members if m not in after),
        )

    def gaps_ms(
        self, low_ms: float, high_ms: float, most: int = 3
    ) -> tuple[tuple[float, float], ...]:
        """The widest latency ranges in [low, high] that hold no member, widest first."""
        inside = [m.latency_ms for m in self.members if low_ms <= m.latency_ms <= high_ms]
        marks = [low_ms, *inside, high_ms]
        gaps = [(a, b) for a, b in pairwise(marks) if b > a]
        return tuple(sorted(gaps, key=lambda gap: gap[0] - gap[1])[:most])

    def hypervolume(self, corner: Corner) -> float:
        """Area (ms x error) that the members dominate below `corner`; 0 for none."""
        front = [(m.latency_ms, self.metric.error(m.value)) for m in self.members]
        return _area(front, corner)

    def gains(self, measured: Sequence[Measurement], corner: Corner) -> tuple[float, ...]:
        """What each network adds to the hypervolume when they are taken in one by one."""
        archive, before = self, self.hypervolume(corner)
        gains: list[float] = []
        for one in measured:
            archive = archive.add([one]).archive
            after = archive.hypervolume(corner)
            gains.append(after - before)
            before = after
        return tuple(gains)


@dataclass(frozen=True, slots=True)
class ArchiveChange:
    """The result of `ParetoArchive.add`."""

    archive: ParetoArchive
    added: tuple[Measurement, ...]
    removed: tuple[Measurement, ...]


def dominates(a: Measurement, b: Measurement, metric: Metric = ACCURACY) -> bool:
    """Whether `a` is at least as good in error and latency and better in one."""
    first, second = (metric.error(a.value), a.latency_ms), (metric.error(b.value), b.latency_ms)
    as_good = first[0] <= second[0] and first[1] <= second[1]
    return as_good and first != second


def _staircase(measured: Sequence[Measurement], metric: Metric) -> tuple[Measurement, ...]:
    """Non-dominated networks by latency; one pass over the sorted list."""
    kept: list[Measurement] = []
    best = float("inf")
    for one in sorted(measured, key=lambda m: (m.latency_ms, metric.error(m.value))):
        error = metric.error(one.value)
        if error < best:
            kept.append(one)
            best = error
    return tuple(kept)


def _area(front: Sequence[tuple[float, float]], corner: Corner) -> float:
    """Area below `corner` of a front sorted by latency, errors falling."""
    area, ceiling = 0.0, corner.error
    for latency_ms, error in front:
        if latency_ms < corner.latency_ms and error < ceiling:
            area += (corner.latency_ms - latency_ms) * (ceiling - error)
            ceiling = error
    return area
