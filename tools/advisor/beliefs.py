"""What a run's trainings make believable: errors of other networks, and what each would add."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from llm_nas.domain import Arch, FloatArray, IntArray, Measurement, Metric
from llm_nas.ports import History
from llm_nas.tools.accuracy.process import Belief, Points, Process, points
from llm_nas.tools.advisor.improvement import (
    Reference,
    Staircase,
    expected_improvement,
    over_latency,
    staircase,
)
from llm_nas.tools.advisor.pool import Catalogue, Described
from llm_nas.tools.advisor.reference import reference_of
from llm_nas.tools.advisor.targets import DOUBT, SHARES, LogAbove, log_above

Believed: TypeAlias = Callable[[Sequence[Arch]], FloatArray]
"""A number per architecture that may say something about its error, `(n,)`."""
SHORTLIST = 400
"""Candidates with the largest first gain that the greedy choice looks at again."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen member of a pool and what it was expected to add."""

    position: int
    gain: float
    error: float
    """The error it is believed to have."""


class Beliefs:
    """A process fitted to a history, and the front it has to beat; a snapshot."""

    def __init__(
        self,
        catalogue: Catalogue,
        metric: Metric,
        chance: float | None,
        history: History,
        prior: Believed | None,
    ) -> None:
        """Take a history of at least two trained networks."""
        self._catalogue, self._prior = catalogue, prior
        measured = history.measured
        errors = metric.errors(np.array([m.value for m in measured], dtype=np.float64))
        at = self._points(catalogue.features([m.arch for m in measured]), measured)
        self.scale, self.process = _likeliest(at, errors)
        self._latency = np.array([m.latency_ms for m in measured], dtype=np.float64)
        self._height = self.scale.heights(errors)
        self._chance = np.inf
        if chance is not None:
            self._chance = metric.error(chance) - self.scale.floor
        self._pending = catalogue.describe(history.pending) if history.pending else None

    def _points(self, features: FloatArray, measured: Sequence[Measurement]) -> Points:
        believed = self._prior([m.arch for m in measured]) if self._prior else None
        return points(features, believed)

    def at(self, pool: Described) -> Points:
        """A pool as the process sees it."""
        return points(pool.features, self._prior(pool.archs) if self._prior else None)

    def errors(self, pool: Described) -> tuple[FloatArray, FloatArray]:
        """Expected error and the deviation of its logarithm above the floor, `(n,)` each."""
        belief = self.process.posterior(self.at(pool))
        return self.scale.means(belief.mean, belief.variance), np.sqrt(belief.variance)

    def gains(self, pool: Described) -> FloatArray:
        """Expected improvement of the observed front, weighed by feasibility, `(n,)`."""
        belief = self.process.posterior(self.at(pool))
        front, reference = self._observed(), self._reference(pool, belief)
        return _gain(belief, pool, front, reference)

    def batch(self, pool: Described, size: int) -> list[Choice]:
        """Choose up to `size` members one after the other, each believed once it is chosen.

        What is pending is believed first. Ends early when nothing is expected to improve.
        """
        pending = 0 if self._pending is None else len(self._pending.archs)
        if self._pending is not None:
            pool = pool.joined(self._pending)
        belief = self.process.posterior(self.at(pool))
        reference = self._reference(pool, belief)
        gain = _gain(belief, pool, self._observed(), reference)
        waiting = np.arange(len(gain) - pending, len(gain))
        gain[waiting] = -np.inf
        short = np.argsort(-gain, kind="stable")[:SHORTLIST]
        short = np.concatenate([short[~np.isin(short, waiting)], waiting])
        greedy = _Greedy(self.process, self.at(pool.take(short)), belief.take(short))
        return self._greedy(greedy, pool.take(short), short, size, pending, reference)

    def _greedy(
        self,
        greedy: "_Greedy",
        pool: Described,
        names: IntArray,
        size: int,
        pending: int,
        reference: Reference,
    ) -> list[Choice]:
        latency, height = self._latency, self._height
        open_ = np.ones(len(pool.archs))
        chosen: list[Choice] = []
        believed = list(range(len(pool.archs) - pending, len(pool.archs)))
        while len(chosen) < size and open_.any():
            for position in believed:
                expected = greedy.believe(position)
                latency = np.append(latency, pool.latency_ms[position])
                height = np.append(height, expected)
                open_[position] = 0.0
            gain = open_ * _gain(greedy.belief, pool, staircase(latency, height), reference)
            best = int(np.argmax(gain))
            if gain[best] <= 0.0:
                break
            error = self.scale.floor + greedy.expected(best)
            chosen.append(Choice(int(names[best]), float(gain[best]), error))
            believed = [best]
        return chosen

    def _observed(self) -> Staircase:
        return staircase(self._latency, self._height)

    def _reference(self, pool: Described, belief: Belief) -> Reference:
        return reference_of(self._latency, self._height, self._chance, pool, belief)


def _likeliest(at: Points, errors: FloatArray) -> tuple[LogAbove, Process]:
    """The scale on which a process explains the errors best, and that process."""
    found: list[tuple[float, LogAbove, Process]] = []
    for share in SHARES:
        doubt = 0.0 if share == SHARES[0] else DOUBT
        scale = log_above(errors, share)
        targets = scale.targets(errors)
        process = Process(at, targets)
        # The density of errors is that of targets times the slope of the logarithm.
        found.append((process.likelihood - float(np.sum(targets)) - doubt, scale, process))
    best = max(found, key=lambda one: one[0])
    return best[1], best[2]


def _gain(belief: Belief, pool: Described, front: Staircase, reference: Reference) -> FloatArray:
    gain = np.zeros(len(pool.archs))
    for weight, latency in over_latency(pool.latency_ms, pool.deviation_ms):
        gain += weight * expected_improvement(
            belief.mean, belief.variance, latency, front, reference
        )
    return np.where(pool.feasible > 0.0, gain * pool.feasible, 0.0)


class _Greedy:
    """A belief that is conditioned on one member after the other."""

    def __init__(self, process: Process, at: Points, belief: Belief) -> None:
        self._process, self._at, self.belief = process, at, belief

    def expected(self, position: int) -> float:
        """Expected height (the mean, which lies above the median)."""
        belief = self.belief
        return float(np.exp(belief.mean[position] + belief.variance[position] / 2.0))

    def believe(self, position: int) -> float:
        """Believe that a member has its expected error; that height."""
        expected = self.expected(position)
        self.belief = self._process.conditioned(self._at, position, self.belief)
        return expected
