"""NSGA-II (Deb et al. 2002) by pymoo, over the space and per niche.

Variables are the operations on the edges, without order: uniform crossover (probability 0.9)
and a mutation that redraws each edge with probability 1 / edges. An offspring that has no
latency, lies outside the niche or was evaluated before is drawn again, so that every child
costs exactly one new cell.
"""

from importlib import import_module
from typing import Any

import numpy as np

from llm_nas.domain import BoolArray, IntArray
from llm_nas.evaluation.controls.control import Session, niche_masks
from llm_nas.ports import Evaluator, Partition, SearchSpace

CROSSOVER_PROBABILITY = 0.9


def _pymoo(module: str, name: str) -> Any:
    """A part of pymoo, which has no type information."""
    return getattr(import_module(f"pymoo.{module}"), name)


class _Redraw:
    """pymoo mutation: redraws each variable with probability 1 / variables, to another value."""

    def __init__(self, values: int) -> None:
        self._values = values

    def __call__(
        self, problem: Any, population: Any, random_state: np.random.Generator, **_: Any
    ) -> Any:
        codes = np.asarray(population.get("X")).astype(np.int64)
        chosen = random_state.random(codes.shape) < 1.0 / problem.n_var
        shift = random_state.integers(1, self._values, size=codes.shape)
        population.set("X", np.where(chosen, (codes + shift) % self._values, codes))
        return population


class _OnlyNew:
    """pymoo duplicate elimination: keeps open cells of the niche, each once."""

    def __init__(self, island: "_Island") -> None:
        self._island = island

    def do(self, population: Any, *others: Any) -> Any:
        """The individuals that are new here and in none of the other populations."""
        cells = self._island.indices(population)
        known = [self._island.indices(other) for other in others if len(other)]
        keep = self._island.allowed[cells] & ~np.isin(cells, np.concatenate([[-1], *known]))
        keep &= np.isin(np.arange(cells.size), np.unique(cells, return_index=True)[1])
        return population[keep]


class _Island:
    """One NSGA-II population inside a set of cells, driven step by step."""

    def __init__(
        self, session: Session, space: SearchSpace, mask: BoolArray, population: int, seed: int
    ) -> None:
        self._session = session
        self._space = space
        self._mask = mask
        self._rng = np.random.default_rng(seed)
        self.population = population
        first = session.draw(self._rng, population, mask)
        self._algorithm: Any = _pymoo("algorithms.moo.nsga2", "NSGA2")(
            pop_size=population,
            sampling=space.codes()[first],
            crossover=_pymoo("operators.crossover.ux", "UniformCrossover")(
                prob=CROSSOVER_PROBABILITY
            ),
            mutation=_Redraw(len(space.operations)),
            eliminate_duplicates=_OnlyNew(self),
        )
        problem = _pymoo("core.problem", "Problem")(
            n_var=len(space.edges), n_obj=2, xl=0, xu=len(space.operations) - 1, vtype=int
        )
        forever = _pymoo("core.termination", "NoTermination")()
        self._algorithm.setup(problem, termination=forever, seed=seed)

    @property
    def allowed(self) -> BoolArray:
        """`(size,)`: cells a child may be."""
        return np.asarray(self._session.open & self._mask, dtype=np.bool_)

    def indices(self, population: Any) -> IntArray:
        """Benchmark indices of the individuals of a pymoo population."""
        cells = (
            np.asarray(population.get("X")).astype(np.int64).reshape(-1, len(self._space.edges))
        )
        return np.asarray([self._space.index(tuple(c)) for c in cells.tolist()], dtype=np.int64)

    @property
    def survivors(self) -> IntArray:
        """Benchmark indices of the current population."""
        return self.indices(self._algorithm.pop)

    def step(self) -> bool:
        """Breed, evaluate and select one generation; False when no cell is left."""
        if not self._session.remaining or not self.allowed.any():
            return False
        asked = self._session.evaluate(self._children())
        points = self._session.points()[-asked.size :]
        born = _pymoo("core.population", "Population").new(X=self._space.codes()[asked], F=points)
        self._algorithm.tell(infills=born)
        return True

    def _children(self) -> IntArray:
        """The generation's children; random open cells when mating finds no new one."""
        offspring = self._algorithm.ask()
        if offspring is None or len(offspring) == 0:
            return self._session.draw(self._rng, self.population, self._mask)
        return self.indices(offspring)


class Nsga2:
    """One population over the whole space; the partition plays no part."""

    name = "nsga2"

    def __init__(self, population: int = 10) -> None:
        """Take the size of the population and of a generation."""
        self._population = population

    def run(self, evaluator: Evaluator, partition: Partition, seed: int) -> None:
        """Spend the budget generation by generation."""
        del partition
        session = Session(evaluator)
        everything = np.ones(evaluator.space.size, dtype=np.bool_)
        island = _Island(session, evaluator.space, everything, self._population, seed)
        while island.step():
            pass


class NicheNsga2:
    """One population a niche, generation by generation in turn, until the budget is spent."""

    name = "niche-nsga2"

    def __init__(self, population: int = 7) -> None:
        """Take the size of each niche's population and of its generations."""
        self._population = population

    def run(self, evaluator: Evaluator, partition: Partition, seed: int) -> None:
        """Spend the budget on the niches in turn; used-up niches leave their share to others."""
        session = Session(evaluator)
        seeds = np.random.SeedSequence(seed).generate_state(len(partition.niches)).tolist()
        islands = [
            _Island(session, evaluator.space, mask, self._population, island_seed)
            for mask, island_seed in zip(niche_masks(partition), seeds, strict=True)
            if (session.open & mask).any()
        ]
        while islands:
            islands = [island for island in islands if island.step()]
