"""Sources of a prior are believed while they rank measured cells as their accuracy does."""

import numpy as np
import pytest

from llm_nas.domain import IntArray
from llm_nas.tools.sources import FEWEST_CELLS, LEAST_CORRELATION, believed, judge

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=200)
CELLS: IntArray = RNG.choice(200, 20, replace=False)
ACCURACY = 90.0 + TRUTH[CELLS]


def test_a_source_is_dropped_when_its_ranks_are_not_those_of_accuracy() -> None:
    priors = {
        "a/right": np.exp(TRUTH),
        "b/reversed": -TRUTH,
        "c/shuffled": RNG.permutation(TRUTH),
    }
    right, wrong, shuffled = judge(priors, CELLS, ACCURACY)
    assert right.kept
    assert right.rank_correlation == pytest.approx(1.0)
    assert not wrong.kept
    assert wrong.rank_correlation == pytest.approx(-1.0)
    assert not shuffled.kept
    assert "rank correlation -1.00" in wrong.reason
    assert "20 measured cells" in wrong.reason
    score = believed(priors, (right, wrong, shuffled))
    assert score is not None
    np.testing.assert_array_equal(score, priors["a/right"])
    assert believed(priors, (wrong, shuffled)) is None


@pytest.mark.parametrize("n", [0, FEWEST_CELLS - 1])
def test_few_cells_decide_nothing(n: int) -> None:
    (verdict,) = judge({"a/b": -TRUTH}, CELLS[:n], ACCURACY[:n])
    assert verdict.kept
    assert verdict.rank_correlation is None


def test_equal_accuracies_decide_nothing() -> None:
    (verdict,) = judge({"a/b": TRUTH}, CELLS, np.full(20, 90.0))
    assert verdict.kept
    assert verdict.rank_correlation is None


def test_a_source_that_recovers_is_taken_back() -> None:
    score = {"a/b": np.concatenate([-TRUTH[:100], TRUTH[100:]])}
    first, later = np.arange(10), np.concatenate([np.arange(10), np.arange(100, 200)])
    assert not judge(score, first, TRUTH[first])[0].kept
    (again,) = judge(score, later, TRUTH[later])
    assert again.kept
    assert (again.rank_correlation or 0.0) > LEAST_CORRELATION


def test_believed_sources_speak_with_one_voice() -> None:
    priors = {"a/b": TRUTH, "c/d": 2.0 * TRUTH}
    score = believed(priors, judge(priors, CELLS, ACCURACY))
    assert score is not None
    np.testing.assert_allclose(score, 1.5 * TRUTH)
