"""How alike devices are: the rank correlation of their latencies on the same probe cells.

A claim learned on one device is offered for another as far as the two agree on which cells are
slow. Probe cells are fixed by a seed, so that likenesses can be compared; a table that lacks
some of them is probed on the next ones in the same order.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from llm_nas.domain import FloatArray

PROBES = 64
"""Cells two devices are compared on."""
LEAST_PROBES = 16
"""Fewer cells in common than this say nothing."""
_SEED = 201


class Likeness(NamedTuple):
    """How alike two devices (or datasets) are."""

    value: float
    """Spearman's rank correlation, 0 for a negative one."""
    cells: int = 0
    """Probe cells it rests on."""


def likeness(unseen_ms: FloatArray, known_ms: Mapping[str, FloatArray]) -> dict[str, Likeness]:
    """Likeness of known devices to an unseen one, by name, where they share enough cells.

    Args:
        unseen_ms: `(size,)` latencies of the unseen device, NaN where unknown.
        known_ms: the same of known devices, by name.
    """
    order = np.random.default_rng(_SEED).permutation(len(unseen_ms))
    found: dict[str, Likeness] = {}
    for name, values in known_ms.items():
        shared = np.isfinite(unseen_ms[order]) & np.isfinite(values[order])
        probes = order[shared][:PROBES]
        if len(probes) >= LEAST_PROBES:
            rho = rank_correlation(unseen_ms[probes], values[probes])
            found[name] = Likeness(max(rho, 0.0), len(probes))
    return found


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rho of two `(n,)` arrays, ties at their mean rank; 0 where one is constant."""
    a, b = _ranks(first), _ranks(second)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0


def _ranks(values: FloatArray) -> FloatArray:
    """`(n,)` ranks from 0, equal values at the mean of theirs."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(sizes) - (sizes + 1) / 2)[group])
