"""Pareto local search (Paquete, Chiarandini & Stuetzle 2004) from a niche-random start.

The archive holds the non-dominated architectures seen so far. A neighbour (one choice changed)
of a random member is trained and the archive updated; when all neighbours of all members are
known the archive is a Pareto local optimum and the search restarts from random architectures.
Going one neighbour at a time is the anytime variant (Dubois-Lacoste, Lopez-Ibanez & Stuetzle
2015): whole neighbourhoods would use up a budget of 120 on a handful of members.
"""

import numpy as np

from llm_nas.domain import Arch
from llm_nas.evaluation.controls.control import Point, Problem, spread
from llm_nas.evaluation.indicators import non_dominated_mask


class ParetoLocalSearch:
    """Explores neighbours of the archive's members, one at a time."""

    def __init__(self, problem: Problem, seed: int, start: int = 12) -> None:
        """Take `start` random architectures before the first step and at every restart."""
        self._problem, self._rng, self._start = problem, np.random.default_rng(seed), start
        self._waiting = spread(problem, self._rng, start)
        self._archs: list[Arch] = []
        self._points: list[Point] = []

    def ask(self) -> Arch | None:
        """The next of a random start, or a neighbour of a random archive member."""
        if not self._waiting:
            step = self._step()
            self._waiting = [step] if step else spread(self._problem, self._rng, self._start)
        return self._waiting.pop(0) if self._waiting else self._problem.draw(self._rng)

    def _step(self) -> Arch | None:
        """An open neighbour; None at a Pareto local optimum."""
        if not self._points:
            return None
        archive = np.flatnonzero(non_dominated_mask(self._points))
        members: list[int] = self._rng.permutation(archive).tolist()
        for member in members:
            near = self._problem.neighbours(self._archs[member])
            if near:
                return near[int(self._rng.integers(len(near)))]
        return None

    def tell(self, arch: Arch, point: Point | None) -> None:
        """Keep what was trained; the archive is read from it."""
        if point is not None:
            self._archs.append(arch)
            self._points.append(point)
