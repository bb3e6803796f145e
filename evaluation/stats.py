"""Statistics over seeds.

The unit of chance is the seed: it draws everything, in all contexts at once. Intervals resample
whole seeds, tests see one number a seed. Contexts are fixed: nothing is inferred about others.
"""

from importlib import import_module
from typing import Any

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen

RESAMPLES = 9_999
CONFIDENCE = 0.95


class Interval(Frozen):
    """A mean with its bootstrap 95 % interval over seeds."""

    mean: float
    low: float
    high: float


class Comparison(Frozen):
    """One method against another on the same contexts and seeds; larger values win."""

    wins: int
    ties: int
    losses: int
    """Of contexts x seeds."""
    contexts_won: int
    contexts: int
    """Contexts in which the mean over seeds is larger, of how many."""
    seeds: int
    difference: float
    """Mean of the paired differences."""
    p: float
    """Two-sided Wilcoxon signed-rank test of one mean difference a seed; 1 when all tie."""


def _scipy_stats() -> Any:
    """scipy.stats, which has no type information and takes half a second to load."""
    return import_module("scipy.stats")


def _checked(values: FloatArray, name: str) -> FloatArray:
    if values.ndim != 2 or values.size == 0 or not np.all(np.isfinite(values)):
        raise RequestError(
            f"{name} must be a complete, non-empty (seeds, contexts) array, got {values.shape}"
        )
    return values


def mean_interval(values: FloatArray, seed: int = 0) -> Interval:
    """Mean of a `(seeds, contexts)` array and its percentile bootstrap interval over seeds.

    A single seed, or seeds that agree, give an interval of width 0.

    Raises:
        RequestError: If the array is empty, not two-dimensional or not finite.
    """
    per_seed = _checked(values, "values").mean(axis=1)
    mean = float(per_seed.mean())
    if per_seed.size < 2 or np.ptp(per_seed) == 0.0:
        return Interval(mean=mean, low=mean, high=mean)
    result = _scipy_stats().bootstrap(
        (per_seed,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    interval = result.confidence_interval
    return Interval(mean=mean, low=float(interval.low), high=float(interval.high))


def compare_paired(first: FloatArray, second: FloatArray, tie: float = 1e-9) -> Comparison:
    """Compare two `(seeds, contexts)` arrays pair by pair; larger is better.

    Runs of one seed in many contexts share what the seed drew, so the test sees their mean
    difference, once a seed. With ten seeds no p is below 2 / 2**10.

    Args:
        first: Values of the method whose wins are counted.
        second: Values of the other method, on the same seeds and contexts.
        tie: Differences up to this size are ties.

    Raises:
        RequestError: If the arrays are empty, incomplete or of different shape.
    """
    a, b = _checked(first, "first"), _checked(second, "second")
    if a.shape != b.shape:
        raise RequestError(f"pairs need equal shapes, got {a.shape} and {b.shape}")
    difference = np.where(np.abs(a - b) <= tie, 0.0, a - b)
    per_seed = difference.mean(axis=1)
    p = 1.0
    if per_seed.any():
        # zsplit shares the ranks of ties between both sides instead of dropping them.
        p = float(_scipy_stats().wilcoxon(per_seed, zero_method="zsplit").pvalue)
    return Comparison(
        wins=int(np.count_nonzero(difference > 0)),
        ties=int(np.count_nonzero(difference == 0)),
        losses=int(np.count_nonzero(difference < 0)),
        contexts_won=int(np.count_nonzero(difference.mean(axis=0) > 0)),
        contexts=a.shape[1],
        seeds=a.shape[0],
        difference=float(difference.mean()),
        p=p,
    )


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment of several p values, in the given order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted
