from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from llm_nas.errors import BudgetError, RequestError, ToolError
from llm_nas.tools.measure import BudgetedEvaluator
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
PREDICTED = np.linspace(10.0, 90.0, SPACE.size)
LATENCY = np.linspace(1.0, 2.0, SPACE.size)


def evaluator(budget: int = 5, known: tuple[int, ...] = ()) -> BudgetedEvaluator:
    return BudgetedEvaluator(SPACE, PREDICTED, LATENCY, budget, known)


def test_only_new_cells_are_charged() -> None:
    door = evaluator()
    np.testing.assert_array_equal(door.accuracy_pct([3, 3, 4]), PREDICTED[[3, 3, 4]])
    door.accuracy_pct([4])
    assert (door.evaluations, door.remaining) == (2, 3)


def test_asking_for_too_many_charges_nothing() -> None:
    door = evaluator(2, known=(7,))
    with pytest.raises(BudgetError):
        door.accuracy_pct([1, 2])
    assert door.evaluations == 1
    door.accuracy_pct([7, 1])
    assert door.remaining == 0
    door.accuracy_pct([7, 1])


def test_latency_is_free_and_read_only() -> None:
    door = evaluator()
    np.testing.assert_array_equal(door.latency_ms(), LATENCY)
    with pytest.raises(ValueError, match="read-only"):
        door.latency_ms()[0] = 0.0
    assert door.evaluations == 0


def test_a_prediction_that_is_not_finite_is_an_error_not_a_score() -> None:
    predicted = PREDICTED.copy()
    predicted[2] = np.nan
    door = BudgetedEvaluator(SPACE, predicted, LATENCY, 5)
    with pytest.raises(ToolError):
        door.accuracy_pct([2])
    assert door.evaluations == 0


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(RequestError):
        evaluator(0)


def test_threads_cannot_overspend() -> None:
    door = evaluator(50)

    def spend(start: int) -> int:
        charged = 0
        for cell in range(start, start + 20):
            try:
                door.accuracy_pct([cell])
            except BudgetError:
                continue
            charged += 1
        return charged

    with ThreadPoolExecutor(8) as pool:
        total = sum(pool.map(spend, range(0, 160, 20)))
    assert total == door.evaluations == 50
