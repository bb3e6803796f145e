"""What a Designer call asks for: child by child, crossover or mutation, parents and a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.domain import Measurement
from llm_nas.ports import NicheView

CROSSOVER_PROBABILITY = 0.5
"""The method's published setting (arXiv 2510.01472)."""
MOST_CHILDREN = 8
_MOST_PARENTS = 8


@dataclass(frozen=True, slots=True)
class Child:
    """How one cell is to be made."""

    operator: str
    parents: tuple[Measurement, ...]
    gap_ms: tuple[float, float] | None


def plan_children(view: NicheView, rng: np.random.Generator) -> list[Child]:
    """What to ask for: some more than the niche's slots, as some answers repeat.

    Every child gets crossover (probability 0.5) or mutation, and a gap to aim at, widest
    first; its parents are the archive's cells on either side of that gap.
    """
    count = min(view.slots + 1 + view.slots // 2, MOST_CHILDREN)
    archive = view.archive
    children: list[Child] = []
    for number in range(count):
        gap = view.gaps_ms[number % len(view.gaps_ms)] if view.gaps_ms else None
        cross = bool(rng.random() < CROSSOVER_PROBABILITY)
        pick = float(rng.random())
        if not archive:
            children.append(Child("sample", (), gap))
        elif cross and len(archive) > 1:
            children.append(Child("crossover", _pair(archive, gap, pick), gap))
        else:
            pair = _pair(archive, gap, pick)
            children.append(Child("mutation", pair[:1] if pick < 0.5 else pair[-1:], gap))
    return children


def _pair(
    archive: Sequence[Measurement], gap_ms: tuple[float, float] | None, pick: float
) -> tuple[Measurement, ...]:
    """Neighbours on the front: around the gap, or, with none, at a random place."""
    by_latency = sorted(archive, key=lambda m: m.latency_ms)
    if gap_ms is None:
        place = int(pick * max(len(by_latency) - 1, 1))
    else:
        middle_ms = sum(gap_ms) / 2
        place = sum(m.latency_ms < middle_ms for m in by_latency) - 1
    place = min(max(place, 0), max(len(by_latency) - 2, 0))
    return tuple(by_latency[place : place + 2])


def shown_parents(view: NicheView, children: Sequence[Child]) -> list[Measurement]:
    """The planned parents, then the rest of the archive up to a limit; by latency."""
    planned = {p.arch: p for child in children for p in child.parents}
    for measurement in view.archive:
        if len(planned) >= _MOST_PARENTS:
            break
        planned.setdefault(measurement.arch, measurement)
    return sorted(planned.values(), key=lambda m: (m.latency_ms, m.arch))


def child_line(number: int, child: Child, label: Mapping[str, str]) -> str:
    """One line of the prompt: how this child is to be made, and what it should aim at."""
    names = [label[p.arch] for p in child.parents]
    how = {
        "crossover": f"crossover of {' and '.join(names)}: every edge from one of the two",
        "mutation": f"mutation of {''.join(names)}: change one or two edges",
        "sample": "a new cell",
    }[child.operator]
    aim = (
        ""
        if child.gap_ms is None
        else (f"; aim at {child.gap_ms[0]:.3f} to {child.gap_ms[1]:.3f} ms")
    )
    return f"{number}. {how}{aim}."
