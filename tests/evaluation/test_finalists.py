"""Finalists: layers in order, thinned by hypervolume inside a layer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_cell_that_cannot_reach_the_front_is_not_trained() -> None:
    """D is behind A: worth a training only if its interval goes above A's prediction."""
    everything = [0, 1, 2, 3]
    for upper, hopeful in ((89.5, False), (90.0, False), (90.5, True)):
        ends = np.array([90.0, 95.0, 90.5, upper, 99.0])
        chosen = choose_finalists(LATENCY, PREDICTED, everything, upper_pct=ends).tolist()
        assert (3 in chosen) == hopeful
        assert {0, 1, 2} <= set(chosen)


cells = st.lists(
    st.tuples(st.integers(1, 9), st.integers(60, 95), st.integers(0, 20)), min_size=1, max_size=25
)


@given(cells, st.integers(1, 8))
def test_finalists_are_the_front_then_what_may_be_on_it(
    drawn: list[tuple[int, int, int]], k: int
) -> None:
    latency, predicted, width = (
        np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True)
    )
    upper = predicted + width
    points = [(ms, -accuracy) for ms, accuracy, _ in drawn]
    behind = [any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points) for p in points]
    claimed = [i for i, dominated in enumerate(behind) if not dominated]
    may_be = [i for i, ms in enumerate(latency) if upper[i] > predicted[latency <= ms].max()]
    hopeful = sorted({*claimed, *may_be})
    everything = list(range(len(drawn)))
    chosen = choose_finalists(latency, predicted, everything, k, upper_pct=upper).tolist()
    assert chosen == choose_finalists(latency, predicted, hopeful, k).tolist()
    assert set(chosen) <= set(claimed) or set(claimed) <= set(chosen)
    assert len(set(chosen)) == len(chosen) == min(k, len(hopeful))
    unbounded = np.full(len(drawn), np.inf)
    assert (
        choose_finalists(latency, predicted, everything, k, upper_pct=unbounded).tolist()
        == choose_finalists(latency, predicted, everything, k).tolist()
    )


@pytest.mark.parametrize(("evaluated", "k"), [([4], 20), ([], 20), ([0], 0)])
def test_unusable_requests_are_refused(evaluated: list[int], k: int) -> None:
    with pytest.raises(RequestError):
        choose_finalists(LATENCY, PREDICTED, evaluated, k)
