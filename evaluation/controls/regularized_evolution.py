"""Regularised (ageing) evolution (Real, Aggarwal, Huang & Le, AAAI 2019), for two objectives.

A queue of architectures: a tournament of random members picks a parent, its mutant (one choice
changed) joins the queue, the oldest member leaves, however good it is. The original compares by
accuracy alone; here every tournament compares by a Chebyshev scalarisation with a random weight,
which over the run asks for every trade-off (as ParEGO does; Knowles 2006).
"""

from collections import deque

import numpy as np

from llm_nas.domain import Arch, FloatArray
from llm_nas.evaluation.controls.control import Point, Problem

_RHO = 0.05
"""Weight of the sum in the augmented Chebyshev function (Knowles 2006)."""


class RegularizedEvolution:
    """Ageing evolution; niches play no part."""

    def __init__(
        self, problem: Problem, seed: int, population: int = 16, tournament: int = 8
    ) -> None:
        """Take the length of the queue and the number of members drawn for a tournament."""
        self._problem, self._rng = problem, np.random.default_rng(seed)
        self._population, self._tournament = population, tournament
        self._queue: deque[tuple[Arch, Point]] = deque(maxlen=population)
        self._told = 0

    def ask(self) -> Arch | None:
        """A random architecture until the queue is full, then a tournament winner's mutant."""
        if self._told < self._population or not self._queue:
            return self._problem.draw(self._rng)
        return self._problem.near(self._winner(), self._rng)

    def _winner(self) -> Arch:
        size = min(self._tournament, len(self._queue))
        drawn = self._rng.choice(len(self._queue), size=size, replace=False)
        members = [self._queue[i] for i in drawn]
        points = np.array([point for _, point in members])
        return members[int(np.argmin(scalarised(points, float(self._rng.random()))))][0]

    def tell(self, arch: Arch, point: Point | None) -> None:
        """Append to the queue, which drops its oldest member when it is full."""
        self._told += 1
        if point is not None:
            self._queue.append((arch, point))


def scalarised(points: FloatArray, weight: float) -> FloatArray:
    """Augmented Chebyshev value of `(n, 2)` points, each objective scaled to their range.

    Smaller is better; `weight` in [0, 1] goes to the first objective.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0)
    weighted = scaled * np.array([weight, 1.0 - weight])
    return np.asarray(weighted.max(axis=1) + _RHO * weighted.sum(axis=1), dtype=np.float64)
