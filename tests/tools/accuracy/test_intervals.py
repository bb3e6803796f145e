"""Intervals cover what they promise; drift is noticed, and only then."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import PREDICTED_PROTOCOL, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.tools.accuracy.drift import TrainingRange
from llm_nas.tools.accuracy.intervals import conformal_intervals, niche_weights
from llm_nas.tools.accuracy.predicted import PredictedTask
from llm_nas.tools.accuracy.predictor import (
    PredictorOptions,
    TrainedPredictor,
    fit_predictor,
    train_predictor,
)
from tests.tools.accuracy import toy

FEATURES = toy.features()


@pytest.fixture(scope="module")
def trained() -> TrainedPredictor:
    return train_predictor(FEATURES, toy.SPACE, toy.ToyTask(), toy.NICHES, 320, 0)


def test_intervals_cover_what_they_promise(trained: TrainedPredictor) -> None:
    truth = toy.accuracies(FEATURES.pool)
    rest = np.setdiff1d(np.arange(len(FEATURES.pool)), trained.train)
    wide, narrow = (conformal_intervals(trained, toy.NICHES, share) for share in (0.9, 0.5))
    low, high = wide.bounds(FEATURES.pool)
    inside = (low <= truth) & (truth <= high)
    assert 0.8 <= inside[rest].mean() <= 0.97
    closer = narrow.bounds(FEATURES.pool)
    assert (high - low >= closer[1] - closer[0] - 1e-9).all()
    predicted = trained.predict(FEATURES.pool)
    assert ((low <= predicted) & (predicted <= high)).all()
    assert list(wide.factors) == [niche.id for niche in toy.NICHES.niches]


@pytest.mark.parametrize("nominal", [0.0, 1.0, -1.0])
def test_an_impossible_level(trained: TrainedPredictor, nominal: float) -> None:
    with pytest.raises(RequestError, match="not between 0 and 1"):
        conformal_intervals(trained, toy.NICHES, nominal)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_a_niche_borrows_labels_of_its_neighbours_first(steps: list[int]) -> None:
    away = np.array(steps)
    weights = niche_weights(away)
    assert (weights[away == 0] == 1.0).all()
    assert ((weights > 0) & (weights <= 1.0)).all()
    assert weights[away > 0].sum() <= 50.0 + 1e-9
    nearest_first = weights[np.argsort(away, kind="stable")]
    assert (np.diff(nearest_first) <= 0.0).all()


def test_a_label_one_niche_farther_weighs_e_to_the_minus_two() -> None:
    away = np.repeat([0, 1, 2], [10, 200, 200])
    weights = niche_weights(away)
    assert weights[-1] / weights[10] == pytest.approx(np.exp(-2.0))
    assert weights[10:].sum() == pytest.approx(50.0)


def _sums() -> FloatArray:
    return np.asarray(toy.kernels(FEATURES.pool).sum(axis=1), dtype=np.float64)


def _range_of(rows: IntArray) -> TrainingRange:
    """The range of trees on 150 labels drawn from some rows."""
    train = np.random.default_rng(0).permutation(rows)[:150]
    goodness = toy.accuracies(FEATURES.archs_at(train))
    options = PredictorOptions(model="trees", labels_by="uniform")
    metric = toy.ToyTask().metric
    return TrainingRange(fit_predictor(FEATURES, metric, train, goodness, seed=0, options=options))


def _archs(rows: IntArray) -> list[str]:
    return FEATURES.archs_at(rows)


def test_uniform_architectures_raise_no_alarm() -> None:
    everywhere = _range_of(np.arange(len(FEATURES.pool)))
    for seed in range(10):
        drawn = np.random.default_rng(seed).permutation(len(FEATURES.pool))[:120]
        drift = everywhere.drift(_archs(drawn))
        assert not drift.alarm
        assert drift.archs == 120
    assert everywhere.drift([]).model_dump() == {"alarm": False, "archs": 0, "outside": 0}
    outside = np.flatnonzero(everywhere.outside(FEATURES.pool))
    assert not everywhere.drift(_archs(outside[:1])).alarm
    assert everywhere.drift(_archs(outside[:8])).alarm


def test_architectures_of_a_part_without_labels_raise_it() -> None:
    sums = _sums()
    small = _range_of(np.flatnonzero(sums <= 13))
    assert small.drift(_archs(np.flatnonzero(sums >= 18))).alarm
    assert not small.drift(_archs(np.flatnonzero(sums <= 13)[:200])).alarm


def test_the_order_of_questions_changes_nothing() -> None:
    rows = np.arange(len(FEATURES.pool))
    first, second = _range_of(rows), _range_of(rows)
    archs = FEATURES.pool[::40]
    at_once = first.outside(archs)
    piece_by_piece = [bool(second.outside([arch])[0]) for arch in reversed(archs)]
    assert at_once.tolist() == piece_by_piece[::-1]


def test_a_task_of_predictions_says_so_and_costs_no_training(trained: TrainedPredictor) -> None:
    base = toy.ToyTask()
    task = PredictedTask(base, trained, toy.NICHES)
    arch = FEATURES.pool[7]
    assert task.train(arch, 1.0, 0) == task.train(arch, 0.5, 9)
    assert task.train(arch).value == pytest.approx(float(trained.predict([arch])[0]))
    strange = next(a for a in toy.SPACE.neighbours(arch) if a not in FEATURES.row)
    assert 0 <= task.train(strange).value <= 100
    assert base.trained == []
    assert task.protocol == PREDICTED_PROTOCOL
    assert task.source.startswith("a formula; accuracy predicted by trees+gp on ")
    ((low, high),) = task.interval_pct([arch])
    assert low <= task.train(arch).value <= high
    assert task.interval_pct([]) == []
    report = task.report(FEATURES.pool[:30])
    assert report["labels"] == 320
    assert report["drift"] == {
        "alarm": False,
        "archs": 30,
        "outside": task.drift(FEATURES.pool[:30]).outside,
    }
