"""Gaussian-process regression on features (Rasmussen & Williams 2006, ch. 2 and 5).

Kernel: a level of its own, Matern-5/2 on all features, a linear part, and a linear part on a
*prior* (a number per architecture that is believed to rise with the target, such as what claims
or a zero-cost score expect). Length scale, weights and noise are those of a grid under which the
targets are most likely, the signal variance in closed form: with a few dozen to a few hundred
architectures this is as good as gradient search, gives the same bits every time and never fails
to converge. A prior that misleads gets the weight 0.

Targets of a related task share the kernel, multiplied between the two tasks by a *relation* in
[0, 1] (the intrinsic coregionalisation model; Bonilla, Chai & Williams 2007). Relation and all
else are those under which this task's targets are most likely given the other's: where the other
misleads, the relation is 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from llm_nas.domain import FloatArray, IntArray

GRID: Mapping[str, tuple[float, ...]] = {
    "length_scale": (0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5),
    "linear": (0.0, 0.3, 1.0, 4.0),
    "prior": (0.0, 0.3, 1.0, 4.0),
    "noise": (1e-4, 1e-3, 1e-2, 5e-2, 0.2),
    "relation": (0.0, 0.5, 0.8, 0.95, 1.0),
}
"""Values of every hyperparameter that are tried; length scales in units of sqrt(features)."""
SWEEPS = 2
"""How often the grid is walked through, one hyperparameter after the other."""
FITTED_ON = 300
"""Hyperparameters are chosen on this many of the latest targets at most."""
LEVEL = 4.0
"""Variance of a task's level over the signal variance."""
DOUBT = 2.0
"""Log odds against a relation or a prior before a target is seen: few can agree by chance."""
LEAST = 1e-10
"""Least variance."""
_JITTER = 1e-9


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Relative to the signal variance, which is profiled out."""

    length_scale: float = 0.7
    linear: float = 1.0
    prior: float = 0.0
    noise: float = 1e-2
    relation: float = 0.0


@dataclass(frozen=True, slots=True)
class Points:
    """Architectures as the process sees them."""

    features: FloatArray
    """`(n, d)`"""
    prior: FloatArray
    """`(n,)`, zeros where nothing is believed."""

    def __len__(self) -> int:
        return len(self.features)

    def take(self, which: slice | IntArray) -> "Points":
        """The points at some positions."""
        return Points(self.features[which], self.prior[which])


def points(features: FloatArray, prior: FloatArray | None = None) -> Points:
    """Points of features `(n, d)`, with or without a prior `(n,)`."""
    return Points(features, np.zeros(len(features)) if prior is None else prior)


@dataclass(frozen=True, slots=True)
class Belief:
    """What a process believes of some points; in units of the targets."""

    mean: FloatArray
    variance: FloatArray
    """Of the noise-free target, `(m,)`."""
    cross: FloatArray
    """Whitened covariance with what was observed, `(k, m)`: what conditioning needs."""


@dataclass(frozen=True, slots=True)
class _Fit:
    likelihood: float
    hyper: Hyperparameters
    variance: float
    factor: FloatArray
    whitened: FloatArray


class Process:
    """A process fitted to one task's targets, given those of a related task where there is one."""

    def __init__(
        self,
        at: Points,
        targets: FloatArray,
        other: Points | None = None,
        other_targets: FloatArray | None = None,
    ) -> None:
        """Fit to finite `targets` `(n,)`, n >= 2, and those of the other task, `(m,)`, m >= 2."""
        self._own, self._other = at, other
        self._mean = float(np.mean(targets))
        self.scale = float(np.std(targets)) or 1.0
        own = (targets - self._mean) / self.scale
        others = np.zeros(0)
        if other is not None and other_targets is not None:
            others = (other_targets - float(np.mean(other_targets))) / self.scale
        self._fit = self._chosen(own, others)

    @property
    def hyper(self) -> Hyperparameters:
        """What the data made likeliest."""
        return self._fit.hyper

    @property
    def noise_variance(self) -> float:
        """Variance of one target's noise, in units of the targets squared."""
        return self._fit.variance * self.scale**2 * self.hyper.noise

    def posterior(self, at: Points) -> Belief:
        """Beliefs of `m` points."""
        fit = self._fit
        cross = solve_triangular(fit.factor, self._covariances(at), lower=True)
        mean = self._mean + self.scale * (cross.T @ fit.whitened)
        share = LEVEL + variances(at, fit.hyper) - np.sum(cross * cross, axis=0)
        return Belief(mean, self._units(share), cross)

    def covariance(self, a: Points, b: Points) -> FloatArray:
        """Posterior covariance of the noise-free targets of two sets of points, `(n, m)`."""
        left = solve_triangular(self._fit.factor, self._covariances(a), lower=True)
        right = solve_triangular(self._fit.factor, self._covariances(b), lower=True)
        share = LEVEL + kernel(a, b, self.hyper) - left.T @ right
        return np.asarray(share * self._fit.variance * self.scale**2, dtype=np.float64)

    def conditioned(self, at: Points, chosen: int, belief: Belief) -> Belief:
        """The belief as if point `chosen` of `at` were observed and had its mean."""
        units = self._fit.variance * self.scale**2
        row = LEVEL + kernel(at.take(slice(chosen, chosen + 1)), at, self.hyper)[0]
        row = row - belief.cross[:, chosen] @ belief.cross
        row = row / np.sqrt(belief.variance[chosen] / units + self.hyper.noise)
        variance = np.maximum(belief.variance - units * row**2, LEAST)
        return Belief(belief.mean, variance, np.vstack([belief.cross, row]))

    def _units(self, share: FloatArray) -> FloatArray:
        return np.maximum(share * self._fit.variance * self.scale**2, LEAST)

    def _covariances(self, at: Points) -> FloatArray:
        """Prior covariance of what was observed, the other task first, with points here."""
        own = kernel(self._own, at, self.hyper) + LEVEL
        if self._other is None:
            return own
        return np.vstack([self.hyper.relation * kernel(self._other, at, self.hyper), own])

    def _chosen(self, own: FloatArray, others: FloatArray) -> _Fit:
        """Walk through the grid, then fit everything with what was found."""
        part = slice(max(0, len(own) - FITTED_ON), None)
        data = _Data(self._own.take(part), own[part], self._other, others)
        best = data.fit(Hyperparameters())
        for _ in range(SWEEPS):
            before = best.hyper
            for name in data.free:
                tried = (replace(best.hyper, **{name: value}) for value in GRID[name])
                fits = [data.fit(hyper) for hyper in tried if hyper != best.hyper]
                best = max([best, *fits], key=lambda fit: fit.likelihood)
            if best.hyper == before:
                break
        whole = len(data.targets) == len(own)
        return best if whole else _Data(self._own, own, self._other, others).fit(best.hyper)


class _Data:
    """Standardised targets of both tasks, with what every fit to them shares."""

    def __init__(
        self, at: Points, targets: FloatArray, other: Points | None, others: FloatArray
    ) -> None:
        self.targets = targets
        self._others = others
        self._stacked = np.concatenate([others, targets])
        both = at if other is None else _joined(other, at)
        self._squared = _squared_distances(both.features, both.features)
        self._linear = both.features @ both.features.T / both.features.shape[1]
        self._prior = np.outer(both.prior, both.prior)
        self._width = both.features.shape[1]
        self._matern: dict[float, FloatArray] = {}
        self.free = ["noise", "length_scale", "linear"]
        self.free += ["prior"] if np.any(at.prior) else []
        self.free += ["relation"] if len(others) else []

    def fit(self, hyper: Hyperparameters) -> _Fit:
        """Likelihood of this task's targets given the other's, less doubts, up to a constant."""
        n, m = len(self.targets), len(self._others)
        covariance = self._covariance(hyper)
        covariance[:m, m:] *= hyper.relation
        covariance[m:, :m] *= hyper.relation
        covariance[:m, :m] += LEVEL
        covariance[m:, m:] += LEVEL
        covariance[np.diag_indices(n + m)] += hyper.noise + _JITTER
        factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        whitened = solve_triangular(factor, self._stacked, lower=True, check_finite=False)
        square = float(whitened[m:] @ whitened[m:])
        variance = max(float(whitened @ whitened) / (n + m), LEAST)
        likelihood = -0.5 * (n * np.log(variance) + square / variance)
        likelihood -= float(np.log(np.diag(factor)[m:]).sum())
        likelihood -= DOUBT * ((hyper.relation > 0) + (hyper.prior > 0))
        return _Fit(float(likelihood), hyper, variance, factor, whitened)

    def _covariance(self, hyper: Hyperparameters) -> FloatArray:
        scale = hyper.length_scale
        if scale not in self._matern:
            self._matern[scale] = _matern(self._squared, scale, self._width)
        covariance = self._matern[scale] + hyper.linear * self._linear
        return covariance + hyper.prior * self._prior if hyper.prior else covariance


def kernel(a: Points, b: Points, hyper: Hyperparameters) -> FloatArray:
    """Prior covariance over signal variance, the task's level left out, `(n, m)`."""
    width = a.features.shape[1]
    squared = _squared_distances(a.features, b.features)
    value = _matern(squared, hyper.length_scale, width)
    if hyper.linear:
        value += (hyper.linear / width) * (a.features @ b.features.T)
    if hyper.prior:
        value += hyper.prior * np.outer(a.prior, b.prior)
    return value


def variances(at: Points, hyper: Hyperparameters) -> FloatArray:
    """The diagonal of `kernel(at, at)`, `(n,)`."""
    squares = np.mean(at.features**2, axis=1)
    value: FloatArray = 1.0 + hyper.linear * squares + hyper.prior * at.prior**2
    return value


def _matern(squared: FloatArray, length_scale: float, width: int) -> FloatArray:
    scaled = np.sqrt(squared * (5.0 / width)) / length_scale
    value = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
    return np.asarray(value, dtype=np.float64)


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squares = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1)[None, :] - 2.0 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0), dtype=np.float64)


def _joined(a: Points, b: Points) -> Points:
    features = np.vstack([a.features, b.features])
    return Points(features, np.concatenate([a.prior, b.prior]))
