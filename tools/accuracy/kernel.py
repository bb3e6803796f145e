"""The kernel of the Gaussian process: a level, Matern-5/2, a linear part and a prior's part."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from llm_nas.domain import FloatArray, IntArray

LEVEL = 4.0
"""Variance of a task's level over the signal variance."""


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
class Hyperparameters:
    """Noise and weights are relative to the signal variance, which is profiled out."""

    length_scale: float = 0.7
    linear: float = 1.0
    prior: float = 0.0
    noise: float = 1e-2
    relation: float = 0.0
    weights: FloatArray = field(default_factory=lambda: np.ones(1))
    """Of the squared distances along every feature, `(d,)` or `(1,)`."""

    def with_(self, name: str, value: float) -> "Hyperparameters":
        """The same with another value of one hyperparameter."""
        changed: dict[str, Any] = {name: value}
        return replace(self, **changed)


def kernel(a: Points, b: Points, hyper: Hyperparameters) -> FloatArray:
    """Prior covariance over signal variance within one task, `(n, m)`."""
    value = LEVEL + matern(squared_distances(scaled(a.features, hyper), scaled(b.features, hyper)))
    if hyper.linear:
        value += (hyper.linear / a.features.shape[1]) * (a.features @ b.features.T)
    if hyper.prior:
        value += hyper.prior * np.outer(a.prior, b.prior)
    return value


def variances(at: Points, hyper: Hyperparameters) -> FloatArray:
    """The diagonal of `kernel(at, at)`, `(n,)`."""
    squares = np.mean(at.features**2, axis=1)
    value: FloatArray = LEVEL + 1.0 + hyper.linear * squares + hyper.prior * at.prior**2
    return value


def matern(squared: FloatArray) -> FloatArray:
    """Matern-5/2 of squared distances in length scales."""
    scaled = np.sqrt(5.0 * squared)
    value = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
    return np.asarray(value, dtype=np.float64)


def squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Between the rows of `(n, d)` and `(m, d)`, `(n, m)`."""
    squares = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1)[None, :] - 2.0 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0), dtype=np.float64)


def scaled(features: FloatArray, hyper: Hyperparameters) -> FloatArray:
    """Features `(n, d)` in length scales."""
    scale = np.sqrt(hyper.weights / features.shape[1]) / hyper.length_scale
    return np.asarray(features * scale, dtype=np.float64)
