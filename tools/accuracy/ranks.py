"""Rank statistics."""

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import kendalltau, rankdata, spearmanr

from llm_nas.domain import FloatArray


def spearman_rho(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rho of two `(n,)` arrays; NaN when one is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def kendall_tau(first: FloatArray, second: FloatArray) -> float:
    """Kendall's tau-b of two `(n,)` arrays; NaN when one is constant."""
    return float(kendalltau(first, second).statistic)


def normal_scores(values: FloatArray) -> FloatArray:
    """Column-wise normal scores of ranks, ties sharing theirs; NaN where `values` `(n, d)` is."""
    scores = np.full_like(values, np.nan)
    for j, column in enumerate(values.T):
        known = np.isfinite(column)
        ranks = np.asarray(rankdata(column[known]), dtype=np.float64)
        scores[known, j] = ndtri((ranks - 0.5) / known.sum())
    return scores


def normal_shares(scores: FloatArray) -> FloatArray:
    """Share of a standard normal distribution below each score."""
    return np.asarray(ndtr(scores), dtype=np.float64)
