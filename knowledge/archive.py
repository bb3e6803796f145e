"""Pareto archives: per niche, the measured cells no other measured cell dominates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from llm_nas.domain import Measurement


def dominates(a: Measurement, b: Measurement) -> bool:
    """Whether `a` is at least as good in accuracy and latency and better in one."""
    as_good = a.predicted_accuracy_pct >= b.predicted_accuracy_pct and a.latency_ms <= b.latency_ms
    better = a.predicted_accuracy_pct > b.predicted_accuracy_pct or a.latency_ms < b.latency_ms
    return as_good and better


@dataclass(frozen=True, slots=True)
class ParetoArchive:
    """Mutually non-dominated cells by latency; immutable, the first of equals stays."""

    cells: tuple[Measurement, ...] = ()

    def add(self, measured: Iterable[Measurement]) -> "ArchiveChange":
        """A new archive with these cells taken in, and what that changed."""
        before = set(self.cells)
        merged = _staircase([*self.cells, *measured])
        after = set(merged)
        return ArchiveChange(
            archive=ParetoArchive(merged),
            added=tuple(c for c in merged if c not in before),
            removed=tuple(c for c in self.cells if c not in after),
        )

    def gaps_ms(
        self, low_ms: float, high_ms: float, most: int = 3
    ) -> tuple[tuple[float, float], ...]:
        """The widest latency ranges in [low, high] that hold no archived cell, widest first."""
        inside = [c.latency_ms for c in self.cells if low_ms <= c.latency_ms <= high_ms]
        marks = [low_ms, *inside, high_ms]
        gaps = [(a, b) for a, b in pairwise(marks) if b > a]
        return tuple(sorted(gaps, key=lambda gap: gap[0] - gap[1])[:most])


@dataclass(frozen=True, slots=True)
class ArchiveChange:
    """The result of `ParetoArchive.add`."""

    archive: ParetoArchive
    added: tuple[Measurement, ...]
    removed: tuple[Measurement, ...]


def _staircase(cells: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Non-dominated cells by latency; one pass over the sorted list."""
    kept: list[Measurement] = []
    for cell in sorted(cells, key=lambda c: (c.latency_ms, -c.predicted_accuracy_pct)):
        if not kept or cell.predicted_accuracy_pct > kept[-1].predicted_accuracy_pct:
            kept.append(cell)
    return tuple(kept)
