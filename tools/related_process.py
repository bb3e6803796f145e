"""Gaussian-process regression of a quantity that was also measured somewhere else.

Both places share one kernel; between them it is multiplied by a *relation* in [0, 1] (the
intrinsic coregionalisation model; Bonilla, Chai & Williams 2007), and the other place has a level
of its own. Relation, length scale, weight and noise are those under which this place's targets
are most likely given the other's: where the other misleads, the relation is 0.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from llm_nas.domain import FloatArray
from llm_nas.tools.gaussian_process import (
    FLOOR,
    LENGTH_SCALES,
    LINEAR_WEIGHTS,
    NOISES,
    Hyperparameters,
    Process,
    kernel,
    variances,
)

RELATIONS = (0.0, 0.5, 0.8, 0.95, 1.0)
DOUBT = 2.0
"""Log odds against any relation before a cell is seen: few cells can agree by chance."""
LEVEL = 1.0
"""Variance of the other place's level over the signal variance."""
_JITTER = 1e-9


class _Fit(NamedTuple):
    """One choice of everything, and the joint covariance's factor by blocks, other place first."""

    likelihood: float
    """Log likelihood of this place's targets given the other's, less doubts, up to a constant."""
    hyper: Hyperparameters
    relation: float
    variance: float
    other: FloatArray
    """`(m, m)`"""
    between: FloatArray
    """`(m, n)`: the lower left block, transposed."""
    own: FloatArray
    """`(n, n)`"""
    whitened: FloatArray
    """Targets of both, `(m + n,)`."""


class RelatedProcess(Process):
    """A process fitted to targets here, given targets elsewhere."""

    def __init__(
        self,
        features: FloatArray,
        targets: FloatArray,
        other_features: FloatArray,
        other_targets: FloatArray,
    ) -> None:
        """Fit to `targets` `(n,)`, n >= 1, given those of the other place, `(m,)`, m >= 2.

        Features are `(n, d)` and `(m, d)`. Each place's targets are taken from their own mean.
        """
        self._features, self._others = features, other_features
        self._mean = float(np.mean(targets))
        self.scale = float(np.std(other_targets)) or 1.0
        own = (targets - self._mean) / self.scale
        other = (other_targets - np.mean(other_targets)) / self.scale
        grid = product(LENGTH_SCALES, LINEAR_WEIGHTS, NOISES)
        fits = (self._related(Hyperparameters(*choice), own, other) for choice in grid)
        self._fit = max(fits, key=lambda fit: fit.likelihood)
        self.hyper, self.variance = self._fit.hyper, self._fit.variance
        self.relation = self._fit.relation

    @property
    def informed(self) -> bool:
        """Whether the other place counts."""
        return self.relation > 0.0

    def _related(self, hyper: Hyperparameters, own: FloatArray, other: FloatArray) -> _Fit:
        """The likeliest relation under some other choices."""
        factor = _cholesky(kernel(self._others, self._others, hyper) + LEVEL, hyper.noise)
        there = solve_triangular(factor, other, lower=True)
        full = solve_triangular(factor, kernel(self._others, self._features, hyper), lower=True)
        covariance = kernel(self._features, self._features, hyper)
        known, explained = full.T @ full, full.T @ there

        def fit(relation: float) -> _Fit:
            here = _cholesky(covariance - relation**2 * known, hyper.noise + _JITTER)
            whitened = solve_triangular(here, own - relation * explained, lower=True)
            square = float(whitened @ whitened)
            variance = (square + float(there @ there)) / (len(own) + len(other))
            variance = max(variance, FLOOR)
            fitness = -0.5 * (len(own) * np.log(variance) + square / variance)
            fitness -= np.log(np.diag(here)).sum() + (DOUBT if relation else 0.0)
            whole = np.concatenate([there, whitened])
            return _Fit(
                float(fitness), hyper, relation, variance, factor, relation * full, here, whole
            )

        return max(map(fit, RELATIONS), key=lambda found: found.likelihood)

    def posterior(self, at: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean `(k,)`, variance `(k,)` and whitened cross-covariance `(m + n, k)` here."""
        fit = self._fit
        there = self.relation * kernel(self._others, at, fit.hyper)
        there = solve_triangular(fit.other, there, lower=True)
        here = kernel(self._features, at, fit.hyper) - fit.between.T @ there
        here = solve_triangular(fit.own, here, lower=True)
        cross = np.vstack([there, here])
        share = variances(at, fit.hyper) - np.sum(cross * cross, axis=0)
        return self._mean + self.scale * (cross.T @ fit.whitened), self._units(share), cross


def _cholesky(covariance: FloatArray, noise: float) -> FloatArray:
    return np.asarray(np.linalg.cholesky(covariance + noise * np.eye(len(covariance))), np.float64)
