"""A Gaussian process over cells with fixed length scales: exact, and quick for 1,000 labels.

Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1, with a
Matern 5/2 kernel on `Features.embedding`, whose weights take the place of length scales.
"""

from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from llm_nas.domain import FloatArray, IntArray

NOISE = 0.025
"""Noise variance relative to the signal's; chosen on tuning seeds (docs/predictor.md)."""


def matern52(squared_distance: FloatArray) -> FloatArray:
    """Matern 5/2 correlation of squared distances in units of the length scale."""
    scaled = np.sqrt(5.0 * squared_distance)
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled), dtype=np.float64)


def squared_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """`(n, m)` squared Euclidean distances between rows of `(n, e)` and `(m, e)`."""
    norms = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(norms - 2.0 * first @ second.T, 0.0), dtype=np.float64)


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted process; `mean` covers all cells."""

    embedding: FloatArray
    """`(size, e)`."""
    train: IntArray
    """`(n,)`."""
    targets: FloatArray
    """`(n,)`, any scale."""
    noise: float = NOISE
    columns: FloatArray | None = field(default=None, repr=False)
    """`(size, k)`: the kernel's columns of the first k labels, where they are at hand."""

    @cached_property
    def _centre(self) -> tuple[float, float]:
        spread = float(self.targets.std())
        return float(self.targets.mean()), spread if spread > 0 else 1.0

    @cached_property
    def _factor(self) -> Any:
        rows = self.embedding[self.train]
        kernel = matern52(squared_distances(rows, rows))
        kernel[np.diag_indices_from(kernel)] += self.noise
        return import_module("scipy.linalg").cho_factor(kernel, lower=True)

    @cached_property
    def cross(self) -> FloatArray:
        """Kernel between all cells and the labelled ones, `(size, n)`."""
        known = 0 if self.columns is None else self.columns.shape[1]
        rest = self.embedding[self.train[known:]]
        new = matern52(squared_distances(self.embedding, rest))
        return new if self.columns is None else np.hstack([self.columns, new])

    @cached_property
    def _weights(self) -> FloatArray:
        middle, spread = self._centre
        solve = import_module("scipy.linalg").cho_solve
        weights: FloatArray = solve(self._factor, (self.targets - middle) / spread)
        return weights

    @cached_property
    def mean(self) -> FloatArray:
        """Posterior mean, `(size,)`, in the targets' scale."""
        middle, spread = self._centre
        return middle + spread * np.asarray(self.cross @ self._weights, dtype=np.float64)

    def mean_at(self, cells: IntArray) -> FloatArray:
        """Posterior mean of some cells only, `(n,)`."""
        middle, spread = self._centre
        rows, labelled = self.embedding[cells], self.embedding[self.train]
        kernel = matern52(squared_distances(rows, labelled))
        return middle + spread * np.asarray(kernel @ self._weights, dtype=np.float64)

    def deviation_at(self, cells: IntArray) -> FloatArray:
        """Posterior deviation of the noise-free value of some cells, `(n,)`; the prior's is 1.

        Near 0 at labelled cells, 1 far from all of them; the targets do not matter.
        """
        rows, labelled = self.embedding[cells], self.embedding[self.train]
        half = self._solved(matern52(squared_distances(labelled, rows)))
        return np.asarray(np.sqrt(np.maximum(1.0 - (half**2).sum(axis=0), 0.0)), dtype=np.float64)

    @cached_property
    def left_out(self) -> FloatArray:
        """`deviation_at` of every label were it not labelled, `(n,)`, in closed form.

        The predictive variance of a left-out target is 1 / (K^-1)_ii (R & W, equation 5.12).
        """
        half = self._solved(np.eye(len(self.train)))
        return np.asarray(
            np.sqrt(np.maximum(1.0 / (half**2).sum(axis=0) - self.noise, 0.0)), dtype=np.float64
        )

    def _solved(self, columns: FloatArray) -> FloatArray:
        """`L^-1 columns` for the Cholesky factor L of the labels' kernel."""
        solve = import_module("scipy.linalg").solve_triangular
        half: FloatArray = solve(self._factor[0], columns, lower=True)
        return half
