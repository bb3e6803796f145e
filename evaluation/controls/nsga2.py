"""NSGA-II (Deb et al. 2002) by pymoo: over the space, per niche, or from the zero-cost opening.

pymoo selects parents and survivors; children are made by the space itself (uniform crossover
with probability 0.9, then on average one changed choice), so that conditional choices and pools
of rows are handled by the one who knows them. A child that was asked for before, cannot run or
lies outside its niche is made again.
"""

from collections.abc import Sequence
from importlib import import_module
from itertools import cycle
from typing import Any

import numpy as np

from llm_nas.conditions import Condition, matches
from llm_nas.domain import Arch
from llm_nas.evaluation.controls.control import Point, Problem

CROSSOVER_PROBABILITY = 0.9
POPULATION = 16
"""The best of 6, 10 and 16 on contexts that are tuned on, seeds that no figure uses."""
NICHE_POPULATION = 6
OPENING = 12
_TRIES = 50


def _pymoo(module: str, name: str) -> Any:
    """A part of pymoo, which has no type information."""
    return getattr(import_module(f"pymoo.{module}"), name)


class _Population:
    """One NSGA-II population, driven one child at a time.

    pymoo sees handles: positions in a list of texts.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        first: Sequence[Arch],
        size: int,
        within: Condition | None = None,
    ) -> None:
        self._problem, self._within = problem, within
        self._rng = np.random.default_rng(seed)
        self._texts = list(first)
        self._waiting = list(range(len(self._texts)))
        self._born: list[tuple[int, Point]] = []
        self._algorithm: Any = _pymoo("algorithms.moo.nsga2", "NSGA2")(
            pop_size=size,
            sampling=np.arange(len(self._texts))[:, None],
            mating=self,
            eliminate_duplicates=False,
        )
        self._select: Any = _pymoo("operators.selection.tournament", "TournamentSelection")(
            func_comp=_pymoo("algorithms.moo.nsga2", "binary_tournament")
        )
        place = _pymoo("core.problem", "Problem")(n_var=1, n_obj=2)
        forever = _pymoo("core.termination", "NoTermination")()
        self._algorithm.setup(place, termination=forever, seed=seed)
        self._algorithm.ask()

    def ask(self) -> Arch | None:
        """The next child; None when no new one is found."""
        while True:
            if not self._waiting:
                self._next_generation()
            if not self._waiting:
                return None
            self._current = self._waiting.pop(0)
            # Another population may have asked for it in the meantime.
            if self._problem.is_open(self._texts[self._current]):
                return self._texts[self._current]

    def tell(self, point: Point | None) -> None:
        """What the child asked for last turned out to be."""
        if point is not None:
            self._born.append((self._current, point))

    def _next_generation(self) -> None:
        if self._born:
            handles = np.array([[handle] for handle, _ in self._born])
            points = np.array([point for _, point in self._born])
            new = _pymoo("core.population", "Population").new(X=handles, F=points)
            self._algorithm.tell(infills=new)
            self._born = []
        if self._algorithm.pop is None or len(self._algorithm.pop) == 0:
            self._waiting = self._fresh(1)
            return
        children = self._algorithm.ask()
        self._waiting = [] if children is None else [int(c.X[0]) for c in children]

    def do(self, problem: Any, population: Any, count: int, algorithm: Any, **options: Any) -> Any:
        """Mate as pymoo asks: as many new children of tournament winners as are asked for."""
        parents = self._select(problem, population, count, 2, algorithm=algorithm, **options)
        made = [self._child(pair) for pair in parents]
        handles = [self._handle(arch) for arch in made if arch] or self._fresh(1)
        return _pymoo("core.population", "Population").new(X=np.array(handles)[:, None])

    def _child(self, parents: Any) -> Arch | None:
        first, second = (self._texts[int(parent.X[0])] for parent in parents)
        for _ in range(_TRIES):
            crossed = self._rng.random() < CROSSOVER_PROBABILITY
            child = self._problem.space.cross(first, second, self._rng) if crossed else first
            child = self._mutant(child)
            if child not in self._texts and self._fits(child):
                return child
        return self._problem.draw(self._rng, self._within)

    def _mutant(self, arch: Arch) -> Arch:
        """As many random changes as if every choice were redrawn with probability 1 / choices."""
        choices = len(self._problem.space.choices)
        for _ in range(int(self._rng.binomial(choices, 1.0 / choices))):
            near = list(self._problem.space.neighbours(arch))
            arch = near[int(self._rng.integers(len(near)))] if near else arch
        return arch

    def _fits(self, arch: Arch) -> bool:
        if not self._problem.is_open(arch):
            return False
        return self._within is None or matches(self._within, self._problem.space.facts(arch))

    def _fresh(self, count: int) -> list[int]:
        drawn = (self._problem.draw(self._rng, self._within) for _ in range(count))
        return [self._handle(arch) for arch in drawn if arch]

    def _handle(self, arch: Arch) -> int:
        self._texts.append(arch)
        return len(self._texts) - 1


def _start(problem: Problem, seed: int, count: int, within: Condition | None = None) -> list[Arch]:
    rng = np.random.default_rng(seed)
    drawn = (problem.draw(rng, within) for _ in range(3 * count))
    return list(dict.fromkeys(arch for arch in drawn if arch))[:count]


class Nsga2:
    """One population over the whole space; niches play no part."""

    def __init__(self, problem: Problem, seed: int, population: int = POPULATION) -> None:
        """Take the size of the population and of a generation."""
        self._population = _Population(
            problem, seed, _start(problem, seed, population), population
        )

    def ask(self) -> Arch | None:
        """The next child."""
        return self._population.ask()

    def tell(self, arch: Arch, point: Point | None) -> None:
        """What it turned out to be."""
        self._population.tell(point)


class OpenedNsga2(Nsga2):
    """The same, with the zero-cost opening as its first population."""

    def __init__(self, problem: Problem, seed: int, population: int = OPENING) -> None:
        """Take the size of the opening, of the population and of a generation."""
        opening = problem.opening(population, np.random.default_rng(seed))
        self._population = _Population(problem, seed, opening, population)


class NicheNsga2:
    """One population a niche, one child each in turn."""

    def __init__(self, problem: Problem, seed: int, population: int = NICHE_POPULATION) -> None:
        """Take the size of each niche's population and of its generations."""
        niches = problem.partition.niches
        seeds = np.random.SeedSequence(seed).generate_state(len(niches)).tolist()
        islands = [
            _Population(problem, own, first, population, niche.condition)
            for niche, own in zip(niches, seeds, strict=True)
            if (first := _start(problem, own, population, niche.condition))
        ]
        self._left, self._turns = len(islands), cycle(islands)

    def ask(self) -> Arch | None:
        """The child of the next niche that has one."""
        for _ in range(self._left):
            self._asked = next(self._turns)
            arch = self._asked.ask()
            if arch is not None:
                return arch
        return None

    def tell(self, arch: Arch, point: Point | None) -> None:
        """What it turned out to be."""
        self._asked.tell(point)
