"""Finalists: layers in order, thinned by hypervolume inside a layer."""

import numpy as np
import pytest

from llm_nas.errors import RequestError
from llm_nas.evaluation.finalists import choose_finalists

#                    A     B     C     D (behind A)  E (no latency)
PREDICTED = np.array([90.0, 94.0, 89.9, 89.0, 99.0])
LATENCY = np.array([1.0, 5.0, 0.9, 1.1, np.nan])


def test_the_first_layer_comes_first() -> None:
    assert set(choose_finalists(LATENCY, PREDICTED, [0, 1, 2, 3, 4], 3).tolist()) == {0, 1, 2}
    assert choose_finalists(LATENCY, PREDICTED, [0, 1, 2, 3], 4)[-1] == 3


def test_a_crowded_layer_is_thinned_where_it_is_dense() -> None:
    """A and C are close to each other: with room for two, one of them goes."""
    kept = set(choose_finalists(LATENCY, PREDICTED, [0, 1, 2], 2).tolist())
    assert 1 in kept
    assert len(kept) == 2


def test_fewer_cells_than_places() -> None:
    assert choose_finalists(LATENCY, PREDICTED, [3, 4], 20).tolist() == [3]
    same = np.array([1.0, 1.0])
    assert sorted(choose_finalists(same, np.array([9.0, 9.0]), [0, 1], 2).tolist()) == [0, 1]


@pytest.mark.parametrize(("evaluated", "k"), [([4], 20), ([], 20), ([0], 0)])
def test_unusable_requests_are_refused(evaluated: list[int], k: int) -> None:
    with pytest.raises(RequestError):
        choose_finalists(LATENCY, PREDICTED, evaluated, k)
