"""Sources of a prior are believed while they rank measured cells as their accuracy does."""

import numpy as np
import pytest

from llm_nas.domain import FloatArray, IntArray
from llm_nas.ports import Source
from llm_nas.tools.sources import FEWEST_CELLS, LEAST_CORRELATION, MOST_CELLS, believed, judge

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=200)
CELLS: IntArray = RNG.choice(200, 20, replace=False)
ACCURACY = 90.0 + TRUTH[CELLS]


def source(score: FloatArray, first: int = 0, n: int = 20) -> Source:
    """A source with a score that measured cells from `first` on, as good as the truth says."""
    cells = np.arange(first, first + n)
    return Source(score, cells, 80.0 + 5.0 * np.tanh(TRUTH[cells % 200]))


def test_a_source_is_dropped_when_its_ranks_are_not_those_of_accuracy() -> None:
    priors = {
        "a/right": source(np.exp(TRUTH)),
        "b/reversed": source(-TRUTH),
        "c/shuffled": source(RNG.permutation(TRUTH)),
    }
    right, wrong, shuffled = judge(priors, CELLS, ACCURACY)
    assert right.kept
    assert right.rank_correlation == pytest.approx(1.0)
    assert not wrong.kept
    assert wrong.rank_correlation == pytest.approx(-1.0)
    assert not shuffled.kept
    assert "rank correlation -1.00" in wrong.reason
    assert "20 measured cells" in wrong.reason
    prior = believed(priors, (right, wrong, shuffled))
    assert prior is not None
    np.testing.assert_array_equal(prior.score, priors["a/right"].score)
    np.testing.assert_array_equal(prior.cells, priors["a/right"].cells)
    assert believed(priors, (wrong, shuffled)) is None


@pytest.mark.parametrize("n", [0, FEWEST_CELLS - 1])
def test_few_cells_decide_nothing(n: int) -> None:
    (verdict,) = judge({"a/b": source(-TRUTH)}, CELLS[:n], ACCURACY[:n])
    assert verdict.kept
    assert verdict.rank_correlation is None


def test_equal_accuracies_decide_nothing() -> None:
    (verdict,) = judge({"a/b": source(TRUTH)}, CELLS, np.full(20, 90.0))
    assert verdict.kept
    assert verdict.rank_correlation is None


def test_a_source_that_recovers_is_taken_back() -> None:
    score = {"a/b": source(np.concatenate([-TRUTH[:100], TRUTH[100:]]))}
    first, later = np.arange(10), np.concatenate([np.arange(10), np.arange(100, 200)])
    assert not judge(score, first, TRUTH[first])[0].kept
    (again,) = judge(score, later, TRUTH[later])
    assert again.kept
    assert (again.rank_correlation or 0.0) > LEAST_CORRELATION


def test_believed_sources_speak_with_one_voice() -> None:
    """Places of a dataset are averaged cell by cell; every dataset has its own level."""
    sources = {
        "a/b": source(TRUTH),
        "a/c": source(2.0 * TRUTH, first=10),
        "d/b": Source(3.0 * TRUTH, np.arange(20), 20.0 + 5.0 * np.tanh(TRUTH[:20])),
    }
    prior = believed(sources, judge(sources, CELLS, ACCURACY))
    assert prior is not None
    np.testing.assert_allclose(prior.score, 2.0 * TRUTH)
    assert prior.cells.tolist() == [*range(30), *range(20)]
    assert prior.log_error[:30].mean() == pytest.approx(0.0)
    assert prior.log_error[30:].mean() == pytest.approx(0.0)
    order = np.argsort(prior.log_error[:30])
    assert order.tolist() == np.argsort(-TRUTH[:30]).tolist()


def test_a_cell_measured_in_two_places_has_its_mean_accuracy() -> None:
    both, once = np.array([3, 5, 9]), np.array([3, 5, 9])
    sources = {
        "a/b": Source(TRUTH, both, np.array([90.0, 80.0, 70.0])),
        "a/c": Source(TRUTH, both, np.array([94.0, 80.0, 60.0])),
    }
    mean = {"a/b": Source(TRUTH, once, np.array([92.0, 80.0, 65.0]))}
    two, one = (believed(s, judge(s, CELLS, ACCURACY)) for s in (sources, mean))
    assert two is not None
    assert one is not None
    np.testing.assert_allclose(two.log_error, one.log_error)


def test_a_large_store_is_thinned() -> None:
    large = {"a/b": source(TRUTH, n=5 * MOST_CELLS + 1)}
    prior = believed(large, judge(large, CELLS, ACCURACY))
    assert prior is not None
    assert 0.8 * MOST_CELLS < len(prior.cells) == len(prior.log_error) <= MOST_CELLS
