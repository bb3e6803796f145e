"""Expected hypervolume improvement when error is uncertain and latency known or nearly so.

With one uncertain objective the improvement is a sum over the steps of the current front: a
candidate of latency l and error y adds, over every latency t >= l, the amount by which y
undercuts the front's error at t. For a log-normal y each term is the price of a put option
(Black & Scholes 1973), so the expectation is exact and cheap; Emmerich et al. 2006 give the
general case. Where latency is uncertain too, the expectation over it is taken by Gauss-Hermite
quadrature of its logarithm.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from llm_nas.domain import BoolArray, FloatArray

NODES = 9
"""Of the quadrature over an uncertain latency."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What lies beyond it in either objective is worth nothing."""

    latency_ms: float
    error: float


@dataclass(frozen=True, slots=True)
class Staircase:
    """Non-dominated points: latencies ascending, errors descending."""

    latency_ms: FloatArray
    error: FloatArray


def staircase_mask(latency_ms: FloatArray, error: FloatArray) -> BoolArray:
    """Which points no other is at least as good as in both (the first of equals), `(n,)`."""
    order = np.lexsort((error, latency_ms))
    sorted_error = error[order]
    best_before = np.concatenate(([np.inf], np.minimum.accumulate(sorted_error)[:-1]))
    mask = np.zeros(len(order), dtype=np.bool_)
    mask[order] = sorted_error < best_before
    return mask


def staircase(latency_ms: FloatArray, error: FloatArray) -> Staircase:
    """The non-dominated part of some points."""
    kept = np.flatnonzero(staircase_mask(latency_ms, error))
    kept = kept[np.argsort(latency_ms[kept])]
    return Staircase(latency_ms[kept], error[kept])


def expected_improvement(
    mean_log: FloatArray,
    variance: FloatArray,
    latency_ms: FloatArray,
    front: Staircase,
    reference: Reference,
) -> FloatArray:
    """Expected area (error x ms) each candidate adds to what the front dominates, `(m,)`.

    `mean_log` and `variance` are of the natural logarithm of the error.
    """
    ends = np.minimum(np.append(front.latency_ms, reference.latency_ms), reference.latency_ms)
    starts = np.concatenate(([-np.inf], front.latency_ms))
    levels = np.minimum(np.concatenate(([reference.error], front.error)), reference.error)
    widths = np.maximum(0.0, ends - np.maximum(starts, latency_ms[:, None]))
    return np.asarray(np.sum(widths * puts(mean_log, variance, levels), axis=1))


def puts(mean_log: FloatArray, variance: FloatArray, levels: FloatArray) -> FloatArray:
    """Expected amount by which log-normal errors `(m,)` undercut levels `(k,)`, `(m, k)`."""
    deviation = np.sqrt(variance)[:, None]
    mean = mean_log[:, None]
    with np.errstate(divide="ignore"):
        reach = (np.log(np.maximum(levels, 0.0)) - mean) / deviation
    expected = np.exp(mean + variance[:, None] / 2.0)
    put = levels * ndtr(reach) - expected * ndtr(reach - deviation)
    return np.asarray(np.maximum(put, 0.0), dtype=np.float64)


def over_latency(
    latency_ms: FloatArray, deviation_ms: FloatArray
) -> list[tuple[float, FloatArray]]:
    """Weights and latencies `(m,)` of a quadrature over log-normal latencies.

    One node where every latency is exact.
    """
    if not np.any(deviation_ms > 0.0):
        return [(1.0, latency_ms)]
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    spread = np.sqrt(np.log1p((deviation_ms / latency_ms) ** 2))
    centre = np.log(latency_ms) - spread**2 / 2.0
    shares = weights / weights.sum()
    return [
        (float(w), np.asarray(np.exp(centre + node * spread), dtype=np.float64))
        for node, w in zip(nodes, shares, strict=True)
    ]
