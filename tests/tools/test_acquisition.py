from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from llm_nas.domain import FloatArray
from llm_nas.tools.acquisition import (
    MARGIN,
    Candidates,
    Front,
    Observed,
    choose_batch,
    expected_improvement,
    staircase,
    staircase_mask,
)
from llm_nas.tools.gaussian_process import GaussianProcess
from llm_nas.tools.related_process import RelatedProcess

values = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(1.0, 90.0))


def area(front: Front, latency: FloatArray, error: FloatArray) -> float:
    """Dominated area up to the front's reference, by a sweep over latency."""
    keep = latency < front.latency_ref_ms
    marks = sorted({*latency[keep], front.latency_ref_ms})
    total = 0.0
    for start, end in pairwise(marks):
        best = min(error[latency <= start], default=np.inf)
        total += (end - start) * max(0.0, front.error_ref_pct - best)
    return total


@given(values, st.randoms(use_true_random=False))
def test_the_staircase_is_the_non_dominated_set(latency: FloatArray, random: object) -> None:
    rng = np.random.default_rng(len(latency))
    error = rng.permutation(latency)
    mask = staircase_mask(latency, error)
    for i in range(len(latency)):
        as_good = (latency <= latency[i]) & (error <= error[i])
        better = as_good & ((latency < latency[i]) | (error < error[i]))
        twin = as_good & ~better
        assert bool(mask[i]) == (not better.any() and np.flatnonzero(twin)[0] == i)


def test_reference_lies_behind_the_front_and_below_chance() -> None:
    front = staircase(np.array([1.0, 2.0, 3.0]), np.array([30.0, 20.0, 89.0]), 85.0)
    assert front.latency_ms.tolist() == [1.0, 2.0]
    assert front.latency_ref_ms == pytest.approx(1.0 + MARGIN)
    assert front.error_ref_pct == pytest.approx(20.0 + MARGIN * 10.0)


def test_a_certain_candidate_gains_exactly_the_area_it_adds() -> None:
    latency, error = np.array([1.0, 2.0, 4.0]), np.array([30.0, 20.0, 10.0])
    front = staircase(latency, error, 85.0)
    candidates = np.array([[0.5, 25.0], [1.5, 15.0], [3.0, 25.0], [3.9, 9.0]])
    mean = np.log(candidates[:, 1])
    gains = expected_improvement(mean, np.full(4, 1e-12), candidates[:, 0], front)
    for (lat, err), gain in zip(candidates, gains, strict=True):
        after = area(front, np.append(latency, lat), np.append(error, err))
        assert gain == pytest.approx(after - area(front, latency, error), abs=1e-4)


def test_the_expectation_matches_sampling() -> None:
    front = staircase(np.array([1.0, 2.0, 4.0]), np.array([30.0, 20.0, 10.0]), 85.0)
    mean, variance = np.log(18.0), 0.09
    draws = np.exp(np.random.default_rng(0).normal(mean, np.sqrt(variance), 40_000))
    sure = expected_improvement(
        np.log(draws), np.full(draws.shape, 1e-12), np.full(draws.shape, 1.5), front
    )
    closed = expected_improvement(np.array([mean]), np.array([variance]), np.array([1.5]), front)
    assert closed[0] == pytest.approx(sure.mean(), rel=0.02)


def test_a_batch_spreads_out_and_leaves_forbidden_cells_alone() -> None:
    x = np.linspace(0.0, 4.0, 60)[:, None]
    known = np.array([0, 20, 59])
    error = np.exp(3.0 - 0.4 * x[:, 0])
    model = GaussianProcess(x[known], np.log(error[known]))
    latency = 1.0 + x[:, 0]
    allowed = np.ones(60)
    allowed[known] = 0.0
    allowed[30:50] = 0.0
    chosen = choose_batch(
        model,
        Candidates(x, latency),
        Observed(latency[known], error[known]),
        size=5,
        chance_error_pct=90.0,
        allowed=allowed,
    )
    cells = [cell for cell, _ in chosen]
    assert len(set(cells)) == len(cells) == 5
    assert all(allowed[cell] for cell in cells)
    assert max(cells) - min(cells) > 10


def test_an_informed_model_sets_the_reference_by_the_front_it_expects() -> None:
    """Early good cells make the observed front short; its fast end must stay in sight."""
    x = np.linspace(-2.0, 2.0, 40)[:, None]
    latency, error = np.linspace(1.0, 9.0, 40), np.exp(2.5 - 0.4 * x[:, 0])
    seen, fast = np.arange(25, 40, 2), np.arange(12)
    model = RelatedProcess(x[seen], np.log(error[seen]), x[::2], np.log(error[::2]))
    assert model.informed
    near = staircase(latency[seen], error[seen], 85.0)
    assert error[fast].min() > near.error_ref_pct
    mean, variance, _ = model.posterior(x[fast])
    unseen = expected_improvement(mean, variance, latency[fast], near).max()
    ((_, gain),) = choose_batch(
        model,
        Candidates(x[fast], latency[fast]),
        Observed(latency[seen], error[seen]),
        size=1,
        chance_error_pct=85.0,
        allowed=np.ones(len(fast)),
    )
    assert gain > 10.0 * unseen
