"""What every control promises, whichever it is."""

from collections.abc import Callable

import numpy as np
import pytest

from llm_nas.errors import RequestError
from llm_nas.evaluation.controls import CONTROLS, make_control
from llm_nas.ports import Evaluator, Partition, SearchSpace
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201

Make = Callable[[int], tuple[Evaluator, list[int]]]


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return nas_bench_201()


@pytest.fixture(scope="module")
def partition(space: SearchSpace) -> Partition:
    return make_partition(space)


@pytest.fixture(params=CONTROLS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("budget", [1, 7, 120])
def test_spends_the_budget_exactly_and_asks_nothing_twice(
    name: str, budget: int, evaluator_of: Make, partition: Partition
) -> None:
    evaluator, asked = evaluator_of(budget)
    make_control(name).run(evaluator, partition, seed=3)
    assert evaluator.evaluations == budget
    assert len(asked) == len(set(asked)) == budget


def test_asks_only_about_cells_with_a_latency(
    name: str, evaluator_of: Make, partition: Partition
) -> None:
    evaluator, asked = evaluator_of(150)
    make_control(name).run(evaluator, partition, seed=4)
    assert np.isfinite(evaluator.latency_ms()[asked]).all()


def test_equal_seeds_ask_equal_cells(name: str, evaluator_of: Make, partition: Partition) -> None:
    runs: list[list[int]] = []
    for seed in (5, 5, 6):
        evaluator, asked = evaluator_of(60)
        make_control(name).run(evaluator, partition, seed=seed)
        runs.append(list(asked))
    assert runs[0] == runs[1] != runs[2]


def test_goes_on_from_what_is_left_of_a_budget(
    name: str, evaluator_of: Make, partition: Partition
) -> None:
    evaluator, _ = evaluator_of(40)
    evaluator.accuracy_pct(np.flatnonzero(np.isfinite(evaluator.latency_ms()))[:25])
    make_control(name).run(evaluator, partition, seed=0)
    assert evaluator.evaluations <= 40


def test_stops_when_every_cell_was_asked(
    name: str, evaluator_of: Make, partition: Partition
) -> None:
    """A device that knows forty cells, and a budget for more."""
    evaluator, asked = evaluator_of(100)
    latency = evaluator.latency_ms().copy()
    latency[np.flatnonzero(np.isfinite(latency))[40:]] = np.nan
    small = _With(evaluator, latency)
    make_control(name).run(small, partition, seed=1)
    assert sorted(asked) == np.flatnonzero(np.isfinite(latency)).tolist()


class _With:
    """An evaluator with another latency table."""

    def __init__(self, inner: Evaluator, latency: np.ndarray) -> None:
        self._latency = latency
        self.space, self.budget, self.accuracy_pct = inner.space, inner.budget, inner.accuracy_pct
        self._inner = inner

    @property
    def evaluations(self) -> int:
        return self._inner.evaluations

    def latency_ms(self) -> np.ndarray:
        return self._latency


def test_unknown_controls_are_refused() -> None:
    with pytest.raises(RequestError, match="expected one of random"):
        make_control("simulated-annealing")
