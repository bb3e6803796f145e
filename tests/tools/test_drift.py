"""Drift is noticed when labels come from a part of the space, and only then."""

from functools import cache

import numpy as np
import pytest

from llm_nas.domain import IntArray
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.drift import TrainingRange
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import PredictorOptions, TrainedPredictor, fit_predictor
from llm_nas.tools.predictor_features import Features, build_features
from llm_nas.tools.predictor_gp import GaussianProcess
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
GROUPS = make_partition(SPACE).labels()
EVERYTHING: IntArray = np.arange(SPACE.size, dtype=np.int64)
BENCHMARK = PackBenchmark()


@cache
def _features() -> Features:
    return build_features(BENCHMARK, "cifar10", SPACE)


def _predictor(pool: IntArray) -> TrainedPredictor:
    """Trees on 150 labels drawn from some cells."""
    train = np.random.default_rng(0).permutation(pool)[:150]
    accuracy = BENCHMARK.validation_accuracy_pct("cifar10")[train]
    return fit_predictor(_features(), train, accuracy, 0, PredictorOptions(model="trees"))


@pytest.fixture(scope="module")
def everywhere() -> TrainingRange:
    return TrainingRange(_predictor(EVERYTHING))


@pytest.mark.parametrize("cells", [24, 120, 600])
def test_uniform_cells_raise_no_alarm(everywhere: TrainingRange, cells: int) -> None:
    for seed in range(20):
        drift = everywhere.drift(np.random.default_rng(seed).permutation(SPACE.size)[:cells])
        assert not drift.alarm
        assert drift.cells == cells


def test_cells_of_a_part_without_labels_raise_it() -> None:
    poor = TrainingRange(_predictor(np.flatnonzero(GROUPS <= 1)))
    assert poor.drift(np.flatnonzero(GROUPS == 5)).alarm
    assert not poor.drift(np.flatnonzero(GROUPS == 0)[:200]).alarm
    rich = TrainingRange(_predictor(np.flatnonzero(GROUPS >= 4)))
    assert rich.drift(np.flatnonzero(GROUPS == 0)[:200]).alarm


def test_a_few_cells_are_no_evidence_and_none_is_no_drift(everywhere: TrainingRange) -> None:
    outside = np.flatnonzero(everywhere.outside(np.arange(2000)))
    assert not everywhere.drift(outside[:1]).alarm
    assert everywhere.drift(outside[:8]).alarm
    assert everywhere.drift([]).model_dump() == {"alarm": False, "cells": 0, "outside": 0}


def test_labels_are_inside_and_the_order_of_questions_changes_nothing() -> None:
    predictor = _predictor(EVERYTHING)
    first, second = TrainingRange(predictor), TrainingRange(predictor)
    assert not first.outside(predictor.train_indices).any()
    cells = EVERYTHING[::50]
    at_once = first.outside(cells)
    piece_by_piece = [bool(second.outside([c])[0]) for c in reversed(cells.tolist())]
    assert at_once.tolist() == piece_by_piece[::-1]


def test_a_left_out_label_is_as_uncertain_as_if_it_had_never_been_there() -> None:
    train = EVERYTHING[:2000:100]
    whole = GaussianProcess(_features().embedding, train, np.zeros(len(train)))
    for position, cell in enumerate(train):
        rest = np.delete(train, position)
        without = GaussianProcess(_features().embedding, rest, np.zeros(len(rest)))
        expected = without.deviation_at(np.array([cell]))[0]
        assert whole.left_out[position] == pytest.approx(expected, rel=1e-9)
