"""Attainment surfaces against their definition, and curves against scores."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.attainment import attainment_surface, hv_curve
from llm_nas.evaluation.front import true_front
from llm_nas.evaluation.score import score
from llm_nas.evaluation.truth import context_of


class Tables(Protocol):
    @property
    def accuracy_pct(self) -> FloatArray: ...
    @property
    def latency(self) -> FloatArray: ...


def attained_by(point: Sequence[float], fronts: Sequence[FloatArray]) -> int:
    return sum(bool(np.any(np.all(front <= np.asarray(point), axis=1))) for front in fronts)


def test_surfaces_of_three_single_points() -> None:
    fronts = [np.array([[float(i), float(i)]]) for i in (1, 2, 3)]
    assert attainment_surface(fronts, 50.0).tolist() == [[2.0, 2.0]]
    assert attainment_surface(fronts, 100.0).tolist() == [[3.0, 3.0]]
    assert attainment_surface(fronts, 1.0).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("percentile", [25.0, 50.0, 100.0])
def test_corners_are_attained_by_enough_runs_and_nothing_below_is(percentile: float) -> None:
    rng = np.random.default_rng(3)
    fronts = [rng.random((6, 2)) for _ in range(8)]
    need = math.ceil(percentile / 100 * 8)
    for error, latency in attainment_surface(fronts, percentile).tolist():
        assert attained_by((error, latency), fronts) >= need
        assert attained_by((error - 1e-9, latency), fronts) < need
        assert attained_by((error, latency - 1e-9), fronts) < need


@pytest.mark.parametrize(("fronts", "percentile"), [([], 50.0), ([np.ones((1, 2))], 0.0)])
def test_unusable_surfaces_are_refused(fronts: list[FloatArray], percentile: float) -> None:
    with pytest.raises(RequestError):
        attainment_surface(fronts, percentile)


def test_a_curve_ends_in_the_score(world: Tables) -> None:
    front = true_front("cifar10", world.accuracy_pct, world.latency)
    context = context_of("cifar10", world.accuracy_pct, world.latency, front)
    cells = np.flatnonzero(np.isfinite(world.latency))[:80]
    curve = hv_curve(context, cells, world.accuracy_pct, [1, 40, 80])
    assert curve[-1] == score(context, cells, world.accuracy_pct).hv
    assert sorted(curve.tolist()) == curve.tolist()
    with pytest.raises(RequestError, match="checkpoints"):
        hv_curve(context, cells, world.accuracy_pct, [81])
