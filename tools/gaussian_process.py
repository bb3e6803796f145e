"""Gaussian-process regression on cell features (Rasmussen & Williams 2006, ch. 2 and 5).

Kernel: Matern-5/2 on all features, plus a linear part. Length scale, weight and noise are chosen
from a grid by marginal likelihood, the signal variance in closed form: with a few dozen to a few
hundred cells this is as good as gradient search, always the same bits, and never fails to
converge.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.linalg import solve_triangular

from llm_nas.domain import FloatArray

LENGTH_SCALES = (1.5, 2.0, 3.0, 4.5, 6.0, 9.0, 14.0)
LINEAR_WEIGHTS = (0.0, 1.0, 4.0)
NOISES = (1e-3, 1e-2, 5e-2)
FLOOR = 1e-10
"""Least variance."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Relative to the signal variance, which is profiled out."""

    length_scale: float
    linear: float
    noise: float


def _matern(squared: FloatArray, length_scale: float) -> FloatArray:
    scaled = np.sqrt(5.0 * squared) / length_scale
    value = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
    return np.asarray(value, dtype=np.float64)


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squares = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1)[None, :] - 2.0 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0), dtype=np.float64)


def kernel(a: FloatArray, b: FloatArray, hyper: Hyperparameters) -> FloatArray:
    """Prior covariance over signal variance of features `(n, d)` and `(m, d)`, `(n, m)`."""
    value = _matern(_squared_distances(a, b), hyper.length_scale)
    if hyper.linear:
        value += hyper.linear * (a @ b.T) / a.shape[1]
    return np.asarray(value, dtype=np.float64)


def variances(features: FloatArray, hyper: Hyperparameters) -> FloatArray:
    """The diagonal of `kernel` of features `(n, d)` with themselves, `(n,)`."""
    squares = np.sum(features**2, axis=1) / features.shape[1]
    value: FloatArray = 1.0 + hyper.linear * squares
    return value


def _cholesky(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)


def _profile_likelihood(factor: FloatArray, targets: FloatArray) -> tuple[float, float]:
    """Log marginal likelihood with the best signal variance, and that variance."""
    whitened = solve_triangular(factor, targets, lower=True)
    n = len(targets)
    variance = max(float(whitened @ whitened) / n, FLOOR)
    log_det = float(np.log(np.diag(factor)).sum())
    return -0.5 * n * np.log(variance) - log_det, variance


class Process:
    """What every fitted process can do; predictions are in the units of the targets."""

    hyper: Hyperparameters
    variance: float
    """Of the signal, in units of `scale` squared."""
    scale: float

    def _units(self, share: FloatArray) -> FloatArray:
        return np.maximum(share * self.variance * self.scale**2, FLOOR)

    def conditioned(
        self, at: FloatArray, chosen: int, variance: FloatArray, cross: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Variance and cross-covariance at `at` as if cell `chosen` of it were observed too.

        The mean stays where it is (the observation is believed to equal the mean).
        """
        units = self.variance * self.scale**2
        covariance = kernel(at[chosen : chosen + 1], at, self.hyper)[0] - cross[:, chosen] @ cross
        pivot = variance[chosen] / units + self.hyper.noise
        row = covariance / np.sqrt(pivot)
        return np.maximum(variance - units * row**2, FLOOR), np.vstack([cross, row])


class GaussianProcess(Process):
    """A process fitted to one set of targets."""

    informed = False
    """It knows nothing but the cells it was fitted to."""

    def __init__(self, features: FloatArray, targets: FloatArray) -> None:
        """Fit to `targets` `(n,)`, n >= 2, finite, of cells with `features` `(n, d)`."""
        self._features = features
        self._mean = float(np.mean(targets))
        self.scale = float(np.std(targets)) or 1.0
        standard = (targets - self._mean) / self.scale
        self.hyper, self._factor, self.variance = self._choose(features, standard)
        self._whitened = solve_triangular(self._factor, standard, lower=True)

    @staticmethod
    def _choose(
        features: FloatArray, targets: FloatArray
    ) -> tuple[Hyperparameters, FloatArray, float]:
        n = len(targets)
        squared = _squared_distances(features, features)
        linear = (features @ features.T) / features.shape[1]
        best: tuple[float, Hyperparameters, FloatArray, float] | None = None
        for scale in LENGTH_SCALES:
            matern = _matern(squared, scale)
            for wl, noise in product(LINEAR_WEIGHTS, NOISES):
                covariance = matern + wl * linear + noise * np.eye(n)
                factor = _cholesky(covariance)
                likelihood, variance = _profile_likelihood(factor, targets)
                if best is None or likelihood > best[0]:
                    best = likelihood, Hyperparameters(scale, wl, noise), factor, variance
        assert best is not None
        return best[1], best[2], best[3]

    def posterior(self, at: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean `(m,)`, variance `(m,)` and whitened cross-covariance `(n, m)` at `(m, d)`."""
        cross = solve_triangular(self._factor, kernel(self._features, at, self.hyper), lower=True)
        mean = self._mean + self.scale * (cross.T @ self._whitened)
        share = variances(at, self.hyper) - np.sum(cross * cross, axis=0)
        return mean, self._units(share), cross
