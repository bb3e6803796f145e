"""Intervals cover what they promise."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.tools.conformal import (
    Intervals,
    conformal_intervals,
    coverage,
    niche_weights,
)
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.data.tables import TableBenchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import TrainedPredictor, train_predictor
from llm_nas.tools.predictor_check import unlabelled
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
NICHES = make_partition(SPACE)


@pytest.fixture(scope="module")
def trained() -> TrainedPredictor:
    return train_predictor(PackBenchmark(), "cifar10", 200, 0)


def _labels(predictor: TrainedPredictor) -> FloatArray:
    return PackBenchmark().validation_accuracy_pct("cifar10")[predictor.train_indices]


def _intervals(low: list[float], high: list[float]) -> Intervals:
    return Intervals(np.array(low), np.array(high), 0.9, {})


def test_predicting_some_cells_is_predicting_all(trained: TrainedPredictor) -> None:
    cells = np.array([5, 4000, 15_000])
    np.testing.assert_allclose(trained.predict(cells), trained.predict_all()[cells], rtol=1e-6)


def test_intervals_hold_the_prediction_and_grow_with_the_level(trained: TrainedPredictor) -> None:
    wide = conformal_intervals(trained, _labels(trained), NICHES, 0.9)
    narrow = conformal_intervals(trained, _labels(trained), NICHES, 0.5)
    predicted = trained.predict_all()
    assert ((wide.low_pct <= predicted) & (predicted <= wide.high_pct)).all()
    assert (wide.high_pct - wide.low_pct >= narrow.high_pct - narrow.low_pct - 1e-9).all()
    assert list(wide.factors) == [niche.id for niche in NICHES.niches]


@pytest.mark.parametrize("nominal", [0.0, 1.0, -1.0])
def test_an_impossible_level(trained: TrainedPredictor, nominal: float) -> None:
    with pytest.raises(RequestError, match="not between 0 and 1"):
        conformal_intervals(trained, _labels(trained), NICHES, nominal)


def test_coverage_counts() -> None:
    intervals = _intervals([0, 0, 5, 0], [1, 1, 6, 1])
    assert coverage(intervals, np.array([0.5, 2.0, 5.5, 1.0]), np.arange(4)) == 0.75
    assert np.isnan(coverage(intervals, np.zeros(4), np.array([], dtype=np.int64)))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_a_niche_borrows_labels_of_its_neighbours_first(steps: list[int]) -> None:
    away = np.array(steps)
    weights = niche_weights(away)
    assert (weights[away == 0] == 1.0).all()
    assert (weights > 0).all()
    assert (weights <= 1.0).all()
    assert weights[away > 0].sum() <= 50.0 + 1e-9
    nearest_first = weights[np.argsort(away, kind="stable")]
    assert (np.diff(nearest_first) <= 0.0).all()


def test_a_label_one_niche_farther_weighs_e_to_the_minus_two() -> None:
    away = np.repeat([0, 1, 2], [10, 200, 200])
    weights = niche_weights(away)
    assert weights[-1] / weights[10] == pytest.approx(np.exp(-2.0))
    assert weights[10:].sum() == pytest.approx(50.0)


def test_coverage_on_the_published_tables(tables: Path) -> None:
    """Over all cells, though some labels were chosen for promise; a niche has few labels."""
    benchmark = TableBenchmark(tables)
    predictor = train_predictor(benchmark, "cifar10", 600, 0)
    accuracy = benchmark.validation_accuracy_pct("cifar10")
    intervals = conformal_intervals(predictor, accuracy[predictor.train_indices], NICHES)
    assert 0.87 <= coverage(intervals, accuracy, unlabelled(predictor)) <= 0.93
