"""Expected hypervolume improvement when latency is known and accuracy is not.

With one uncertain objective the improvement is a sum over the steps of the current front: a
candidate of latency l and error y adds, over every latency t >= l, the amount by which y
undercuts the front's error at t. For a log-normal y each term is the price of a put option
(Black & Scholes 1973), so the expectation is exact and cheap; Emmerich et al. 2006 give the
general case. Batches are greedy: a chosen cell is believed to have its expected error.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.special import ndtr

from llm_nas.domain import BoolArray, FloatArray

MARGIN = 1.6
"""The reference lies this many front extents behind the ideal: the true front reaches further."""
EXPECTED_MARGIN = 1.1
"""The same for the front a well-informed model expects, which ends where the true one does."""
SHORTLIST = 400
"""Candidates with the largest first gain that the greedy choice looks at again."""
_MIN_ERROR_PCT = 0.5
FLOOR = 0.9
"""Share of the least measured error that models take as out of reach."""


@dataclass(frozen=True, slots=True)
class Front:
    """A staircase: latencies ascending, errors descending, and a reference behind it."""

    latency_ms: FloatArray
    error_pct: FloatArray
    latency_ref_ms: float
    error_ref_pct: float


def staircase_mask(latency_ms: FloatArray, error_pct: FloatArray) -> BoolArray:
    """Which cells no other is at least as good as in both (the first of equals), `(n,)`."""
    order = np.lexsort((error_pct, latency_ms))
    error = error_pct[order]
    best_before = np.concatenate(([np.inf], np.minimum.accumulate(error)[:-1]))
    mask = np.zeros(len(order), dtype=np.bool_)
    mask[order] = error < best_before
    return mask


def staircase(
    latency_ms: FloatArray,
    error_pct: FloatArray,
    chance_error_pct: float,
    margin: float = MARGIN,
) -> Front:
    """The non-dominated part of some cells, and the reference `margin` extents from its ideal.

    Cells at chance level (error >= `chance_error_pct`) are left out, unless all are.
    """
    kept = np.flatnonzero(staircase_mask(latency_ms, error_pct))
    kept = kept[np.argsort(latency_ms[kept])]
    useful = kept[error_pct[kept] < chance_error_pct]
    kept = useful if len(useful) else kept
    latency, error = latency_ms[kept], error_pct[kept]
    if len(latency) < 2:
        return Front(latency, error, np.inf, chance_error_pct)
    latency_ref = latency[0] + margin * (latency[-1] - latency[0])
    error_ref = min(chance_error_pct, error[-1] + margin * (error[0] - error[-1]))
    return Front(latency, error, float(latency_ref), float(error_ref))


def expected_improvement(
    mean_log_error: FloatArray, variance: FloatArray, latency_ms: FloatArray, front: Front
) -> FloatArray:
    """Expected area (% x ms) each candidate adds to what the front dominates, `(m,)`.

    `mean_log_error` and `variance` are of the natural logarithm of the error in %.
    """
    ends = np.concatenate((front.latency_ms, [front.latency_ref_ms]))
    starts = np.concatenate(([-np.inf], front.latency_ms))
    levels = np.minimum(
        np.concatenate(([front.error_ref_pct], front.error_pct)), front.error_ref_pct
    )
    ends = np.minimum(ends, front.latency_ref_ms)
    widths = np.maximum(0.0, ends - np.maximum(starts, latency_ms[:, None]))
    deviation = np.sqrt(variance)[:, None]
    mean = mean_log_error[:, None]
    reach = (np.log(levels) - mean) / deviation
    expected_error = np.exp(mean + variance[:, None] / 2.0)
    put = levels * ndtr(reach) - expected_error * ndtr(reach - deviation)
    gain: FloatArray = np.sum(widths * np.maximum(put, 0.0), axis=1)
    return gain


@dataclass(frozen=True, slots=True)
class Candidates:
    """Cells that may be chosen: features `(m, d)` and latency `(m,)`."""

    features: FloatArray
    latency_ms: FloatArray


@dataclass(frozen=True, slots=True)
class Observed:
    """Cells already measured: latency and predicted error, `(n,)` each."""

    latency_ms: FloatArray
    error_pct: FloatArray


class Model(Protocol):
    """Beliefs about the logarithm of the error of cells with features `(m, d)`."""

    @property
    def informed(self) -> bool:
        """Whether it knows more than the cells of this search."""
        ...

    def posterior(self, at: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean `(m,)`, variance `(m,)` and what `conditioned` needs, `(k, m)`."""
        ...

    def conditioned(
        self, at: FloatArray, chosen: int, variance: FloatArray, cross: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Variance and `cross` as if cell `chosen` of `at` were measured and had its mean."""
        ...


def floor_of(error_pct: FloatArray) -> float:
    """The error in % that nothing is believed to fall below, given measured ones."""
    return FLOOR * float(error_pct.min())


def log_error(error_pct: FloatArray) -> FloatArray:
    """The modelled target; errors below 0.5 % count as 0.5 %."""
    return np.log(np.maximum(error_pct, _MIN_ERROR_PCT))


def choose_batch(
    model: Model,
    candidates: Candidates,
    observed: Observed,
    *,
    size: int,
    chance_error_pct: float,
    allowed: FloatArray,
) -> list[tuple[int, float]]:
    """Choose up to `size` candidates one after the other by expected improvement.

    `allowed` `(m,)` weighs each candidate's gain (0 forbids it). Returns (position, weighted
    gain in % x ms), best first; ends early when nothing is expected to improve the front.

    The reference follows the observed front. With a model that knows more than the cells of this
    search it follows the expected front of all candidates: knowledge leads to good cells so early
    that the observed front is short, and a reference close behind it hides the fast end from the
    search.
    """
    mean, variance, cross = model.posterior(candidates.features)
    reference = None
    if model.informed:
        reference = _expected_front(mean, observed, candidates, chance_error_pct)
    front = _front(observed, candidates, chance_error_pct, reference)
    gain = expected_improvement(mean, variance, candidates.latency_ms, front) * allowed
    short = np.argsort(-gain, kind="stable")[:SHORTLIST]
    features, latency = candidates.features[short], candidates.latency_ms[short]
    mean, variance, cross = mean[short], variance[short], cross[:, short]
    weight, gain = allowed[short].copy(), gain[short]
    chosen: list[tuple[int, float]] = []
    while len(chosen) < min(size, len(short)):
        best = int(np.argmax(gain))
        if gain[best] <= 0.0:
            break
        chosen.append((int(short[best]), float(gain[best])))
        weight[best] = 0.0
        observed = Observed(
            np.append(observed.latency_ms, latency[best]),
            np.append(observed.error_pct, np.exp(mean[best])),
        )
        variance, cross = model.conditioned(features, best, variance, cross)
        front = _front(observed, candidates, chance_error_pct, reference)
        gain = expected_improvement(mean, variance, latency, front) * weight
    return chosen


def _expected_front(
    mean_log_error: FloatArray,
    observed: Observed,
    candidates: Candidates,
    chance_error_pct: float,
) -> Front:
    """The front of measured cells and of candidates at their expected error."""
    latency = np.concatenate((observed.latency_ms, candidates.latency_ms))
    error = np.concatenate((observed.error_pct, np.exp(mean_log_error)))
    return staircase(latency, error, chance_error_pct, EXPECTED_MARGIN)


def _front(
    observed: Observed, candidates: Candidates, chance_error_pct: float, reference: Front | None
) -> Front:
    """The observed front with its own reference, or with that of another front."""
    front = staircase(observed.latency_ms, observed.error_pct, chance_error_pct)
    if reference is not None and np.isfinite(reference.latency_ref_ms):
        return replace(
            front,
            latency_ref_ms=reference.latency_ref_ms,
            error_ref_pct=reference.error_ref_pct,
        )
    if np.isfinite(front.latency_ref_ms):
        return front
    slowest = float(np.max(candidates.latency_ms))
    return replace(front, latency_ref_ms=slowest)
