"""Closed forms, scipy's own answers, and what must not be computed."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.stats import compare_paired, holm, mean_interval

scipy_stats: Any = import_module("scipy.stats")


def test_one_seed_or_equal_seeds_have_no_width() -> None:
    one = mean_interval(np.array([[0.9, 0.8]]))
    assert (one.mean, one.low, one.high) == pytest.approx((0.85, 0.85, 0.85))
    same = mean_interval(np.array([[0.9, 0.8], [0.8, 0.9]]))
    assert (same.low, same.high) == pytest.approx((0.85, 0.85))


def test_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(60):
        sample = rng.normal(0.5, 0.1, size=(20, 1)) + np.zeros((1, 3))
        interval = mean_interval(sample, seed=trial)
        hits += interval.low <= 0.5 <= interval.high
    assert 50 <= hits <= 60


def test_contexts_add_no_width_when_seeds_move_together() -> None:
    """Eighteen copies of a context say no more than one."""
    seeds = np.array([[0.1], [0.4], [0.2], [0.9]])
    many, one = mean_interval(np.repeat(seeds, 18, axis=1)), mean_interval(seeds)
    assert (many.low, many.high) == pytest.approx((one.low, one.high))


def test_wins_ties_and_losses() -> None:
    first = np.array([[0.9, 0.5, 0.7], [0.8, 0.5, 0.6]])
    second = np.array([[0.8, 0.5, 0.8], [0.7, 0.5, 0.6]])
    result = compare_paired(first, second)
    assert (result.wins, result.ties, result.losses) == (2, 3, 1)
    assert (result.contexts_won, result.contexts) == (1, 3)
    assert result.difference == pytest.approx(0.1 / 6)


def test_p_is_that_of_the_signed_rank_test() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random((6, 4)), rng.random((6, 4))
    expected = scipy_stats.wilcoxon((first - second).mean(axis=1)).pvalue
    assert compare_paired(first, second).p == pytest.approx(expected)
    assert compare_paired(second, first).p == pytest.approx(expected)
    # Five wins of five: the smallest two-sided p there is for n = 5.
    assert compare_paired(second[:5, :1] + 1.0, first[:5, :1]).p == pytest.approx(2 / 2**5)
    assert compare_paired(first, first).p == 1.0


def test_runs_that_share_a_seed_are_one_draw() -> None:
    """Ten seeds in eighteen contexts that move together: no p below what ten draws can give."""
    rng = np.random.default_rng(3)
    per_seed = rng.random((10, 1)) + 0.01
    many = np.repeat(per_seed, 18, axis=1) + rng.normal(0.0, 1e-6, (10, 18))
    nothing = np.zeros((10, 18))
    assert compare_paired(many, nothing).p == pytest.approx(2 / 2**10)
    assert compare_paired(many, nothing).seeds == 10
    # A gain of half the seeds is chance, however many contexts repeat it.
    mixed = many * np.where(np.arange(10) % 2, 1.0, -1.0)[:, None]
    assert compare_paired(mixed, nothing).p > 0.5


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize("values", [np.empty((0, 3)), np.ones(3), np.array([[1.0, np.nan]])])
def test_incomplete_values_are_refused(values: FloatArray) -> None:
    with pytest.raises(RequestError):
        mean_interval(values)
    with pytest.raises(RequestError):
        compare_paired(values, values)


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(RequestError, match="equal shapes"):
        compare_paired(np.ones((2, 2)), np.ones((2, 3)))
