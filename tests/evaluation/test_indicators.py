"""Closed forms first, slow twins second, refusals last."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.indicators import (
    Box,
    bounding_box,
    hypervolume,
    igd_plus,
    non_dominated_mask,
)

# Grid values make ties and duplicates frequent.
points_2d = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 7), st.just(2)),
    elements=st.integers(0, 12).map(lambda n: n / 10),
)


def slow_hypervolume(points: FloatArray, ref: tuple[float, ...]) -> float:
    """Inclusion-exclusion over all subsets."""
    boxes = [p for p in points.tolist() if all(a < b for a, b in zip(p, ref, strict=True))]
    total = 0.0
    for size in range(1, len(boxes) + 1):
        for subset in itertools.combinations(boxes, size):
            corner = [max(axis) for axis in zip(*subset, strict=True)]
            volume = math.prod(r - c for r, c in zip(ref, corner, strict=True))
            total += volume if size % 2 else -volume
    return total


def slow_distance(points: FloatArray, front: FloatArray) -> float:
    total = 0.0
    for target in front.tolist():
        best = math.inf
        for point in points.tolist():
            gaps = [max(a - z, 0.0) for a, z in zip(point, target, strict=True)]
            best = min(best, math.hypot(*gaps))
        total += best
    return total / len(front)


def slow_mask(points: FloatArray) -> list[bool]:
    rows = points.tolist()
    return [
        not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in rows)
        for p in rows
    ]


def test_hypervolume_closed_forms() -> None:
    assert hypervolume([[0.0, 0.0]], [1.1, 1.1]) == pytest.approx(1.21)
    assert hypervolume([[0.0, 0.5], [0.5, 0.0]], [1.0, 1.0]) == pytest.approx(0.75)
    assert hypervolume([[0.0, 0.0, 0.5]], [1.0, 1.0, 1.0]) == pytest.approx(0.5)


def test_points_beyond_the_reference_contribute_nothing() -> None:
    assert hypervolume([[1.2, 0.0]], [1.1, 1.1]) == 0.0
    inside = hypervolume([[0.5, 0.5]], [1.1, 1.1])
    assert hypervolume([[0.5, 0.5], [-9.0, 1.1]], [1.1, 1.1]) == inside


def test_distances_closed_forms() -> None:
    front = [[0.0, 0.0]]
    assert igd_plus([[3.0, -4.0]], front) == pytest.approx(3.0)
    assert igd_plus([[-1.0, -1.0]], front) == 0.0


def test_equal_points_are_all_kept() -> None:
    mask = non_dominated_mask([[1.0, 1.0], [2.0, 2.0], [1.0, 1.0], [0.0, 3.0]])
    assert mask.tolist() == [True, False, True, True]


@given(points_2d)
def test_hypervolume_equals_its_slow_twin(points: FloatArray) -> None:
    assert hypervolume(points, (1.1, 1.1)) == pytest.approx(slow_hypervolume(points, (1.1, 1.1)))


@given(points_2d, points_2d)
def test_distances_equal_their_slow_twins(points: FloatArray, front: FloatArray) -> None:
    assert igd_plus(points, front) == pytest.approx(slow_distance(points, front))


@given(points_2d)
def test_mask_equals_its_slow_twin(points: FloatArray) -> None:
    assert non_dominated_mask(points).tolist() == slow_mask(points)


def test_a_box_maps_its_corners_to_zero_and_one() -> None:
    box = bounding_box([[5.0, 2.0], [13.0, 1.0]])
    assert box == Box((5.0, 1.0), (13.0, 2.0))
    assert box.normalise(np.array([[5.0, 1.0], [13.0, 2.0]])).tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_a_flat_side_keeps_its_unit() -> None:
    box = Box((1.0, 1.0), (1.0, 5.0))
    assert box.normalise(np.array([[1.0, 3.0], [3.0, 1.0]])).tolist() == [[0.0, 0.5], [2.0, 0.0]]


@pytest.mark.parametrize(
    "points", [[], [[]], [1.0, 2.0], [[1.0, math.nan]], [[math.inf, 0.0]], np.empty((0, 2))]
)
def test_empty_and_non_finite_sets_are_refused(points: list[list[float]]) -> None:
    good = [[0.5, 0.5]]
    calls = (
        lambda: hypervolume(points, (1.1, 1.1)),
        lambda: igd_plus(points, good),
        lambda: igd_plus(good, points),
        lambda: non_dominated_mask(points),
    )
    for call in calls:
        with pytest.raises(RequestError):
            call()


def test_mismatched_dimensions_are_refused() -> None:
    with pytest.raises(RequestError, match="objectives"):
        hypervolume([[0.5, 0.5]], [1.0, 1.0, 1.0])
    with pytest.raises(RequestError, match="objectives"):
        igd_plus([[0.5, 0.5]], [[1.0, 1.0, 1.0]])
