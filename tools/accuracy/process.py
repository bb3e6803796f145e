"""Gaussian-process regression on features (Rasmussen & Williams 2006, ch. 2 and 5).

Kernel: a level, Matern-5/2 on weighted features, a linear part, and a linear part on a *prior*
(a number per architecture that is believed to say something about the target, such as what claims
expect of it). Everything is chosen by likelihood: first from a grid, one hyperparameter after the
other, then by gradient, each feature with a weight of its own that is drawn towards the common
one. A prior that says nothing gets the weight 0.

Targets of a related task share the kernel, multiplied between the two tasks by a *relation* in
[0, 1] (the intrinsic coregionalisation model; Bonilla, Chai & Williams 2007). All is chosen so
that this task's targets are likeliest given the other's: where the other misleads, the relation
is 0.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from llm_nas.domain import FloatArray, IntArray
from llm_nas.tools.accuracy.kernel import LEVEL, Hyperparameters, Points, kernel, points, variances
from llm_nas.tools.accuracy.likelihood import JITTER, Observed, fitted

__all__ = ["Belief", "Points", "Process", "points"]

FITTED_ON = 300
"""Hyperparameters are chosen on this many of the latest targets at most."""
LEAST = 1e-10
"""Least variance."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What a process believes of some points, in units of the targets."""

    mean: FloatArray
    variance: FloatArray
    """Of the noise-free target, `(m,)`."""
    cross: FloatArray
    """Whitened covariance with what was observed, `(k, m)`: what conditioning needs."""

    def take(self, which: IntArray) -> "Belief":
        """The belief of some of the points."""
        return Belief(self.mean[which], self.variance[which], self.cross[:, which])


class Process:
    """A process fitted to one task's targets, given those of a related task where there is one."""

    def __init__(
        self,
        at: Points,
        targets: FloatArray,
        other: Points | None = None,
        other_targets: FloatArray | None = None,
    ) -> None:
        """Fit to finite `targets` `(n,)`, n >= 1, and those of the other task, `(m,)`, m >= 2."""
        self._own, self._other = at, other
        self._mean = float(np.mean(targets))
        known = targets if other_targets is None else other_targets
        self.scale = float(np.std(known)) or 1.0
        own = (targets - self._mean) / self.scale
        others = (known - np.mean(known)) / self.scale if other is not None else np.zeros(0)
        others = np.asarray(others, dtype=np.float64)
        since = max(0, len(own) - FITTED_ON)
        hyper = fitted(self._observed(own, others, since))
        self._fit = self._observed(own, others).fit(hyper)

    @property
    def hyper(self) -> Hyperparameters:
        """What the data made likeliest."""
        return self._fit.hyper

    @property
    def likelihood(self) -> float:
        """Logarithm of the targets' likelihood, up to a constant."""
        return self._fit.likelihood - len(self._own) * float(np.log(self.scale))

    @property
    def noise_variance(self) -> float:
        """Variance of one target's noise, in units of the targets squared."""
        return self._units * self.hyper.noise

    def posterior(self, at: Points) -> Belief:
        """Beliefs of `m` points."""
        cross = self._whitened(at)
        mean = self._mean + self.scale * (cross.T @ self._fit.whitened)
        share = variances(at, self.hyper) - np.sum(cross * cross, axis=0)
        return Belief(mean, np.maximum(share * self._units, LEAST), cross)

    def covariance(self, a: Points, b: Points) -> FloatArray:
        """Posterior covariance of the noise-free targets of two sets of points, `(n, m)`."""
        share = kernel(a, b, self.hyper) - self._whitened(a).T @ self._whitened(b)
        return np.asarray(share * self._units, dtype=np.float64)

    def conditioned(self, at: Points, chosen: int, belief: Belief) -> Belief:
        """The belief as if point `chosen` of `at` were observed too and had its mean."""
        row = kernel(at.take(slice(chosen, chosen + 1)), at, self.hyper)[0]
        row = row - belief.cross[:, chosen] @ belief.cross
        row = row / np.sqrt(belief.variance[chosen] / self._units + self.hyper.noise + JITTER)
        variance = np.maximum(belief.variance - self._units * row**2, LEAST)
        return Belief(belief.mean, variance, np.vstack([belief.cross, row]))

    def left_out(self) -> FloatArray:
        """By how many deviations each target misses what all others expect of it, `(n,)`.

        Rasmussen & Williams 2006, eq. 5.12.
        """
        inverse = solve_triangular(self._fit.factor, np.eye(len(self._fit.factor)), lower=True)
        own = slice(len(self._fit.whitened) - len(self._own), None)
        precision = np.sum(inverse**2, axis=0)[own]
        solved = (inverse.T @ self._fit.whitened)[own]
        return np.asarray(solved / np.sqrt(precision * self._fit.variance), dtype=np.float64)

    @property
    def _units(self) -> float:
        return self._fit.variance * self.scale**2

    def _whitened(self, at: Points) -> FloatArray:
        """Whitened covariance of what was observed, the other task first, with `at`."""
        cross = kernel(self._own, at, self.hyper)
        if self._other is not None:
            between = kernel(self._other, at, self.hyper) - LEVEL
            cross = np.vstack([self.hyper.relation * between, cross])
        solved = solve_triangular(self._fit.factor, cross, lower=True, check_finite=False)
        return np.asarray(solved, dtype=np.float64)

    def _observed(self, own: FloatArray, others: FloatArray, since: int = 0) -> Observed:
        """Targets from position `since` on, and all of the other task's."""
        at = self._own.take(slice(since, None))
        if self._other is None:
            return Observed(at, own[since:], others)
        features = np.vstack([self._other.features, at.features])
        prior = np.concatenate([self._other.prior, at.prior])
        return Observed(Points(features, prior), own[since:], others)
