"""What a search expects of places where it has not looked: for prompts and reports."""

from dataclasses import dataclass

import numpy as np

from llm_nas.domain import Arch
from llm_nas.ports import Partition
from llm_nas.tools.advisor.beliefs import Beliefs
from llm_nas.tools.advisor.improvement import staircase_mask
from llm_nas.tools.advisor.pool import Described


@dataclass(frozen=True, slots=True)
class ExpectedPoint:
    """A network that is believed to lie on the front."""

    arch: Arch
    niche: str
    error: float
    latency_ms: float
    deviation: float
    """Of the logarithm of the error above the floor."""


def expected_front(
    beliefs: Beliefs, pool: Described, partition: Partition
) -> tuple[ExpectedPoint, ...]:
    """The non-dominated members of a pool at their expected errors, by latency."""
    usable = pool.take(pool.feasible > 0.0)
    error, deviation = beliefs.errors(usable)
    kept = np.flatnonzero(staircase_mask(usable.latency_ms, error))
    kept = kept[np.argsort(usable.latency_ms[kept])]
    return tuple(
        ExpectedPoint(
            arch=usable.archs[i],
            niche=partition.niche_of(usable.archs[i]),
            error=float(error[i]),
            latency_ms=float(usable.latency_ms[i]),
            deviation=float(deviation[i]),
        )
        for i in map(int, kept)
    )


def niche_doubts(beliefs: Beliefs, pool: Described, partition: Partition) -> dict[str, float]:
    """Mean deviation of the log error over the pool's members of every niche that has some."""
    _, deviation = beliefs.errors(pool)
    found: dict[str, list[float]] = {}
    for arch, doubt in zip(pool.archs, deviation.tolist(), strict=True):
        found.setdefault(partition.niche_of(arch), []).append(doubt)
    return {niche: float(np.mean(doubts)) for niche, doubts in sorted(found.items())}
