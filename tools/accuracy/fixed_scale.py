"""A Gaussian process whose length scales are given: exact, and quick for 1,000 labels.

Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1, with a
Matern 5/2 kernel on an embedding whose weights take the place of length scales. The predictor
fits some ten of them to up to thousands of labels; scales chosen by likelihood, as the search's
own process has them, rank worse there and take several times as long.
"""

from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from llm_nas.domain import FloatArray

NOISE = 0.025
"""Noise variance relative to the signal's; chosen on tuning seeds."""
_ROWS = 256
"""Rows of a kernel that are computed at a time: they stay in the processor's cache."""


def matern52(first: FloatArray, second: FloatArray) -> FloatArray:
    """Matern 5/2 correlations `(n, m)` of rows `(n, e)` and `(m, e)`, in length scales."""
    out = np.empty((len(first), len(second)))
    norms = (second**2).sum(axis=1)
    for start in range(0, len(first), _ROWS):
        rows = first[start : start + _ROWS]
        part = np.matmul(rows, second.T, out=out[start : start + _ROWS])
        part *= -2.0
        part += (rows**2).sum(axis=1)[:, None]
        part += norms
        np.maximum(part, 0.0, out=part)
        part *= 5.0
        np.sqrt(part, out=part)
        fall = np.exp(-part)
        part *= 1.0 + part / 3.0
        part += 1.0
        part *= fall
    return out


class FixedScaleProcess:
    """A process fitted to targets `(n,)` of any scale, at rows `(n, e)`."""

    def __init__(self, rows: FloatArray, targets: FloatArray, noise: float = NOISE) -> None:
        self.rows = rows
        self.noise = noise
        self._middle = float(targets.mean())
        self._spread = float(targets.std()) or 1.0
        kernel = matern52(rows, rows)
        kernel[np.diag_indices_from(kernel)] += noise
        factor, _ = cho_factor(kernel, lower=True)
        self._factor = np.asarray(factor, dtype=np.float64)
        standard = (targets - self._middle) / self._spread
        self._weights = np.asarray(cho_solve((self._factor, True), standard), dtype=np.float64)

    def mean(self, at: FloatArray) -> FloatArray:
        """Posterior mean at `(m, e)`, `(m,)`, in the targets' scale."""
        return self.mean_of(matern52(at, self.rows))

    def mean_of(self, cross: FloatArray) -> FloatArray:
        """Posterior mean `(m,)` where the kernel with the fitted rows, `(m, n)`, is at hand."""
        return np.asarray(self._middle + self._spread * (cross @ self._weights), dtype=np.float64)

    def deviation(self, at: FloatArray) -> FloatArray:
        """Posterior deviation of the noise-free value at `(m, e)`, `(m,)`; the prior's is 1.

        Near 0 at fitted rows, 1 far from all of them; the targets do not matter.
        """
        half = self._solved(matern52(self.rows, at))
        return np.asarray(np.sqrt(np.maximum(1.0 - (half**2).sum(axis=0), 0.0)), dtype=np.float64)

    @cached_property
    def left_out(self) -> FloatArray:
        """`deviation` of every fitted row were it not among them, `(n,)`, in closed form.

        The predictive variance of a left-out target is 1 / (K^-1)_ii (R & W, equation 5.12).
        """
        half = self._solved(np.eye(len(self.rows)))
        variance = 1.0 / (half**2).sum(axis=0) - self.noise
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=np.float64)

    def _solved(self, columns: FloatArray) -> FloatArray:
        """`L^-1 columns` for the Cholesky factor L of the rows' kernel."""
        return np.asarray(solve_triangular(self._factor, columns, lower=True), dtype=np.float64)
