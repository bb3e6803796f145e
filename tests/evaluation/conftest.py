"""A small world with a known truth, and the fake of the evaluator port."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import BudgetError
from llm_nas.ports import Evaluator, Partition, SearchSpace
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201


@dataclass
class TableEvaluator:
    """Answers from a table, counts unique cells, and keeps every request in order."""

    space: SearchSpace
    budget: int
    predicted_pct: FloatArray
    latency: FloatArray
    asked: list[int] = field(default_factory=list[int])

    @property
    def evaluations(self) -> int:
        return len(set(self.asked))

    def latency_ms(self) -> FloatArray:
        return self.latency

    def accuracy_pct(self, indices: Sequence[int] | IntArray) -> FloatArray:
        cells = [int(i) for i in indices]
        if len(set(cells) | set(self.asked)) > self.budget:
            raise BudgetError("too many")
        self.asked.extend(cells)
        return self.predicted_pct[cells]


@dataclass(frozen=True)
class World:
    """Made-up tables over the real space: convolutions cost time and buy accuracy."""

    space: SearchSpace
    partition: Partition
    accuracy_pct: FloatArray
    latency: FloatArray

    def evaluator(self, budget: int) -> TableEvaluator:
        return TableEvaluator(self.space, budget, self.accuracy_pct, self.latency)


@pytest.fixture(scope="session")
def world() -> World:
    space = nas_bench_201()
    rng = np.random.default_rng(5)
    codes = space.codes()
    cost: FloatArray = np.array([0.1, 0.0, 3.0, 1.5, 0.8])[codes].sum(axis=1)
    gain: FloatArray = np.array([1.0, 0.0, 4.0, 2.5, 0.5])[codes].sum(axis=1)
    size = len(codes)
    latency: FloatArray = 1.0 + cost + rng.uniform(0.0, 0.5, size)
    latency[rng.permutation(size)[:4000]] = np.nan
    accuracy: FloatArray = 60.0 + 30.0 * (1.0 - np.exp(-gain / 6.0)) + rng.normal(0.0, 1.0, size)
    return World(space, make_partition(space), accuracy, latency)


@pytest.fixture
def evaluator_of(world: World) -> Callable[[int], tuple[Evaluator, list[int]]]:
    """An evaluator of a given budget, with the list of all cells ever asked about."""

    def make(budget: int) -> tuple[Evaluator, list[int]]:
        evaluator = world.evaluator(budget)
        return evaluator, evaluator.asked

    return make
