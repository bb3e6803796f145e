"""Uniform random search, over the space and per niche: what any method must beat."""

import numpy as np

from llm_nas.domain import Arch
from llm_nas.evaluation.controls.control import Point, Problem, spread


class RandomSearch:
    """Different architectures, drawn as the space samples; niches play no part."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._rng = problem, np.random.default_rng(seed)

    def ask(self) -> Arch | None:
        """A new random architecture."""
        return self._problem.draw(self._rng)

    def tell(self, arch: Arch, point: Point | None) -> None:
        """Learns nothing."""


class NicheRandomSearch:
    """An equal share for every niche, random inside each."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._rng = problem, np.random.default_rng(seed)
        self._round: list[Arch] = []

    def ask(self) -> Arch | None:
        """The next niche's architecture; niches take turns in a new order every round."""
        if not self._round:
            self._round = spread(self._problem, self._rng, len(self._problem.partition.niches))
        return self._round.pop(0) if self._round else self._problem.draw(self._rng)

    def tell(self, arch: Arch, point: Point | None) -> None:
        """Learns nothing."""
