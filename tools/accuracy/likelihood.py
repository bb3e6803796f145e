"""Choosing the hyperparameters of a Gaussian process by the likelihood of its targets.

First a grid, one hyperparameter after the other, with the signal variance in closed form; then,
where one task stands alone, a weight for every feature by gradient (automatic relevance
determination; Rasmussen & Williams 2006, sec. 5.1), each drawn towards the common one: with few
targets nothing moves far.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from llm_nas.domain import FloatArray
from llm_nas.tools.accuracy.kernel import (
    LEVEL,
    Hyperparameters,
    Points,
    kernel,
    matern,
    scaled,
)
from llm_nas.tools.accuracy.kernel import squared_distances as distances

GRID: Mapping[str, tuple[float, ...]] = {
    "noise": (1e-4, 1e-3, 1e-2, 5e-2, 0.2),
    "length_scale": (0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5),
    "linear": (0.01, 0.3, 1.0, 4.0),
    "prior": (0.0, 0.3, 1.0, 4.0),
    "relation": (0.0, 0.5, 0.8, 0.95, 1.0),
}
"""Values of every hyperparameter that are tried; length scales in units of sqrt(features)."""
SWEEPS = 2
"""How often the grid is walked through."""
DOUBTS = {"relation": 2.0, "prior": 4.0}
"""Log odds against each before a target is seen: few can agree by chance."""
LEAST = 1e-10
"""Least signal variance."""
JITTER = 1e-6
"""Added to the noise, so that matrices stay positive definite."""
STEPS, FARTHEST = 25, 6.0
"""Of the gradient search: how many steps at most, and how far logarithms may move."""
_FIRST_RELATION = 0.8
_SPREADS = {"weights": 1.0, "scale": 3.0, "linear": 3.0, "noise": 3.0}
"""Standard deviations of the logarithms around what the grid found, before the data speak."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A covariance's factor, the other task first, and what it makes of the targets."""

    likelihood: float
    hyper: Hyperparameters
    variance: float
    """Of the signal, for standardised targets."""
    factor: FloatArray
    whitened: FloatArray


class Observed:
    """Standardised targets of one task, and of a related one before them where there is one."""

    def __init__(self, at: Points, targets: FloatArray, others: FloatArray) -> None:
        """Take points of both, `(m + n)`, targets `(n,)` and the other task's, `(m,)`."""
        self.at, self.targets, self.others = at, targets, others
        self._stacked = np.concatenate([others, targets])
        self._decays: dict[float, FloatArray] = {}

    @cached_property
    def linear(self) -> FloatArray:
        """The linear part of the kernel, `(m + n, m + n)`."""
        features = self.at.features
        return np.asarray(features @ features.T / features.shape[1], dtype=np.float64)

    @cached_property
    def _squares(self) -> FloatArray:
        """Squared distances, unweighted."""
        squares = distances(self.at.features, self.at.features) / self.at.features.shape[1]
        return np.asarray(squares, dtype=np.float64)

    def _kernel(self, hyper: Hyperparameters) -> FloatArray:
        """`kernel` of all points, whose parts are kept while the grid is walked through."""
        if len(hyper.weights) > 1:
            return kernel(self.at, self.at, hyper)
        at = hyper.length_scale
        if at not in self._decays:
            self._decays[at] = matern(self._squares * (hyper.weights[0] / at**2))
        value = LEVEL + self._decays[at] + hyper.linear * self.linear
        if hyper.prior:
            value += hyper.prior * np.outer(self.at.prior, self.at.prior)
        return np.asarray(value, dtype=np.float64)

    def fit(self, hyper: Hyperparameters) -> Fit:
        """Likelihood of this task's targets given the other's, less doubts, up to a constant."""
        n, m = len(self.targets), len(self.others)
        covariance = self._kernel(hyper)
        if m:
            between = hyper.relation * (covariance[:m, m:] - LEVEL)
            covariance[:m, m:], covariance[m:, :m] = between, between.T
        covariance[np.diag_indices(n + m)] += hyper.noise + JITTER
        factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        whitened = solve_triangular(factor, self._stacked, lower=True, check_finite=False)
        square = float(whitened[m:] @ whitened[m:])
        variance = max(float(whitened @ whitened) / (n + m), LEAST)
        likelihood = -0.5 * (n * np.log(variance) + square / variance)
        likelihood -= float(np.log(np.diag(factor)[m:]).sum())
        likelihood -= DOUBTS["relation"] if hyper.relation > 0 else 0.0
        likelihood -= DOUBTS["prior"] if hyper.prior > 0 else 0.0
        return Fit(float(likelihood), hyper, variance, factor, whitened)


def fitted(observed: Observed) -> Hyperparameters:
    """The hyperparameters under which the targets are likeliest."""
    hyper = _walked(observed)
    return hyper if len(observed.others) else _weighed(observed, hyper)


def _walked(observed: Observed) -> Hyperparameters:
    """The best of the grid, found one hyperparameter after the other."""
    names = ["noise", "length_scale", "linear"]
    names += ["prior"] if np.any(observed.at.prior) else []
    names += ["relation"] if len(observed.others) else []
    best = observed.fit(Hyperparameters(relation=_FIRST_RELATION if len(observed.others) else 0.0))
    for _ in range(SWEEPS):
        before = best
        for name in names:
            fits = [observed.fit(best.hyper.with_(name, value)) for value in GRID[name]]
            best = max([best, *fits], key=lambda fit: fit.likelihood)
        if best is before:
            break
    return best.hyper


def _weighed(observed: Observed, start: Hyperparameters) -> Hyperparameters:
    """The same with a weight for every feature, by gradient from `start`."""
    search = Search(observed, start)
    bounds = [(value - FARTHEST, value + FARTHEST) for value in search.start.tolist()]
    options: Any = {"maxiter": STEPS}
    # The stubs know no objective that returns its gradient too over arrays of any shape.
    objective: Any = search
    begin: Any = search.start
    found: Any = minimize(
        objective, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return search.hyper(np.asarray(found.x, dtype=np.float64))


class Search:
    """Penalised negative log likelihood and gradient, over logarithms.

    The vector holds the weights `(d,)`, then length scale, linear weight and noise.
    """

    def __init__(self, observed: Observed, start: Hyperparameters) -> None:
        self._at, self._targets, self._begin = observed.at, observed.targets, start
        features = observed.at.features
        self._width = features.shape[1]
        self._linear = observed.linear
        self._fixed = LEVEL + start.prior * np.outer(observed.at.prior, observed.at.prior)
        tail = np.log([start.length_scale, start.linear, start.noise])
        self.start = np.concatenate([np.zeros(self._width), tail])
        spreads = [_SPREADS["scale"], _SPREADS["linear"], _SPREADS["noise"]]
        weights = np.full(self._width, _SPREADS["weights"])
        self._precision = np.concatenate([weights, spreads]) ** -2.0

    def hyper(self, at: FloatArray) -> Hyperparameters:
        """What a vector stands for."""
        length_scale, linear, noise = np.exp(at[self._width :]).tolist()
        weights = np.exp(at[: self._width])
        return replace(
            self._begin, length_scale=length_scale, linear=linear, noise=noise, weights=weights
        )

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        """Penalised negative log likelihood and its gradient."""
        hyper, n = self.hyper(at), len(self._targets)
        moved = scaled(self._at.features, hyper)
        distance = np.sqrt(5.0 * distances(moved, moved))
        decay = np.exp(-distance)
        covariance = (1.0 + distance + distance**2 / 3.0) * decay
        covariance += self._fixed + hyper.linear * self._linear
        covariance[np.diag_indices(n)] += hyper.noise + JITTER
        try:
            factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(at)
        inverse = cho_solve((factor, True), np.eye(n), check_finite=False)
        solved = inverse @ self._targets
        variance = max(float(self._targets @ solved) / n, LEAST)
        loss = 0.5 * n * np.log(variance) + float(np.log(np.diag(factor)).sum())
        slope = 0.5 * (inverse - np.outer(solved, solved) / variance)
        # d matern / d (squared distance in length scales) = -5 (1 + r) exp(-r) / 6
        inner = slope * (-5.0 / 6.0) * (1.0 + distance) * decay
        along = 2.0 * (inner.sum(axis=1) @ moved**2 - np.sum(moved * (inner @ moved), axis=0))
        tail = [
            -2.0 * along.sum(),
            hyper.linear * float(np.sum(slope * self._linear)),
            hyper.noise * float(np.trace(slope)),
        ]
        away = at - self.start
        loss += 0.5 * float(self._precision @ away**2)
        return float(loss), np.concatenate([along, tail]) + self._precision * away
