"""Scores of a world small enough to compute by hand, then laws on a larger one."""

from typing import Protocol

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.front import true_front
from llm_nas.evaluation.score import ceiling, claimed_front, hv_at_k, relative_hv, score
from llm_nas.evaluation.truth import TruthContext, context_of


class Tables(Protocol):
    @property
    def accuracy_pct(self) -> FloatArray: ...
    @property
    def latency(self) -> FloatArray: ...


#                  best    mid   fast  dominated  chance  no latency
ACCURACY = np.array([94.0, 92.0, 84.0, 91.0, 12.0, 95.0])
LATENCY = np.array([5.0, 3.0, 1.0, 4.0, 0.2, np.nan])
TRUE_HV = 0.1 * 1.1 + 0.8 * 0.6 + 0.2 * 0.1


@pytest.fixture
def context() -> TruthContext:
    return context_of("cifar10", ACCURACY, LATENCY, true_front("cifar10", ACCURACY, LATENCY))


@pytest.fixture
def large(world: Tables) -> TruthContext:
    front = true_front("cifar10", world.accuracy_pct, world.latency)
    return context_of("cifar10", world.accuracy_pct, world.latency, front)


def test_the_true_front_scores_one(context: TruthContext) -> None:
    scores = score(context, [0, 1, 2, 3], ACCURACY)
    assert scores.front == (2, 1, 0)
    assert (scores.hv, scores.hv_ceiling, scores.unit_hv) == pytest.approx((1.0, 1.0, 1.0))
    assert (scores.igd, scores.igd_plus, scores.optimism) == pytest.approx((0.0, 0.0, 0.0))
    assert scores.coverage.latency_deciles == 1.0


def test_part_of_the_front_scores_its_share(context: TruthContext) -> None:
    scores = score(context, [1], ACCURACY)
    assert scores.hv == pytest.approx(0.9 * 0.6 / TRUE_HV)
    # Normalised front (1, 0), (0.2, 0.5), (0, 1); the claim is the middle one.
    assert scores.igd == pytest.approx((np.hypot(0.8, 0.5) + np.hypot(0.2, 0.5)) / 3)
    assert scores.igd_plus == pytest.approx((0.5 + 0.2) / 3)


def test_a_wrong_prediction_costs_truth_not_prediction(context: TruthContext) -> None:
    """The dominated cell 3 is believed best: it takes the place of cell 0 in the claim."""
    predicted = np.array([90.0, 92.0, 84.0, 96.0, 12.0, 95.0])
    scores = score(context, [0, 1, 2, 3], predicted)
    assert scores.front == (2, 1, 3)
    assert scores.hv == pytest.approx((TRUE_HV - 0.2 * 0.1) / TRUE_HV)
    # Predicted error of cell 3 is 4 %: (-0.2, 0.75) normalised.
    believed = 0.1 * 1.1 + 0.8 * 0.6 + 0.4 * 0.35
    assert scores.optimism == pytest.approx(believed / TRUE_HV - scores.hv)


def test_a_cell_at_chance_adds_nothing_however_fast(context: TruthContext) -> None:
    predicted = np.where(np.arange(6) == 4, 80.0, ACCURACY)
    assert score(context, [1, 4], predicted).hv == score(context, [1], predicted).hv
    alone = score(context, [4], predicted)
    assert (alone.hv, alone.unit_hv, alone.coverage.latency_deciles) == (0.0, 0.0, 0.0)
    assert alone.igd_plus > 1.0


def test_cells_without_a_latency_are_never_claimed(context: TruthContext) -> None:
    assert score(context, [1, 5], ACCURACY) == score(context, [1], ACCURACY)
    with pytest.raises(RequestError, match="no evaluated cell has a latency"):
        score(context, [5], ACCURACY)


def test_finalists_are_chosen_by_validation_and_scored_by_truth(context: TruthContext) -> None:
    validation = np.array([80.0, 92.0, 84.0, 91.5, 12.0, 95.0])
    assert hv_at_k(context, [0, 1, 2], validation) == relative_hv(context, [1, 2])
    assert hv_at_k(context, [0, 1, 2], ACCURACY) == pytest.approx(1.0)


def test_coverage_counts_niches_and_deciles(context: TruthContext) -> None:
    labels = np.array([0, 1, 2, 3, 3, 3])
    found = score(context, [1, 2], ACCURACY, labels).coverage
    assert found.niches == 0.5
    assert found.latency_deciles == pytest.approx(2 / 3)


@pytest.mark.parametrize("evaluated", [[], [-1], [6]])
def test_unusable_indices_are_refused(context: TruthContext, evaluated: list[int]) -> None:
    with pytest.raises(RequestError):
        score(context, evaluated, ACCURACY)


def test_tables_of_another_length_are_refused(context: TruthContext) -> None:
    with pytest.raises(RequestError, match="shape"):
        score(context, [0], ACCURACY[:3])


def test_ceiling_is_the_score_of_asking_everything(large: TruthContext) -> None:
    rng = np.random.default_rng(0)
    predicted = large.test_accuracy_pct + rng.normal(0.0, 1.0, large.latency_ms.size)
    everything = np.flatnonzero(np.isfinite(large.latency_ms))
    scores = score(large, everything, predicted)
    assert scores.hv == scores.hv_ceiling == ceiling(large, predicted) < 1.0


def test_more_true_cells_never_score_less(large: TruthContext) -> None:
    order = np.random.default_rng(1).permutation(np.flatnonzero(np.isfinite(large.latency_ms)))
    values = [score(large, order[:n], large.test_accuracy_pct).hv for n in (10, 100, 1000, 10000)]
    assert values == sorted(values)
    assert ceiling(large, large.test_accuracy_pct) == pytest.approx(1.0)


def test_the_order_of_evaluation_does_not_matter(large: TruthContext) -> None:
    cells = np.random.default_rng(2).permutation(np.flatnonzero(np.isfinite(large.latency_ms)))
    predicted = np.round(large.test_accuracy_pct, 0)
    first = claimed_front(large.latency_ms, predicted, cells[:500])
    again = claimed_front(large.latency_ms, predicted, np.sort(cells[:500])[::-1])
    assert sorted(first.tolist()) == sorted(again.tolist())
