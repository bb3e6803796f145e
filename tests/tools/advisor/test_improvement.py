"""Expected improvement against closed forms and against drawing at random."""

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.tools.advisor.improvement import (
    Reference,
    Staircase,
    expected_improvement,
    over_latency,
    puts,
    staircase,
)


def area(latency: FloatArray, error: FloatArray, reference: Reference) -> float:
    """Dominated area, step by step."""
    front = staircase(latency, error)
    total, level = 0.0, reference.error
    for at, value in zip(front.latency_ms, front.error, strict=True):
        if at < reference.latency_ms and value < level:
            total += (reference.latency_ms - at) * (level - value)
            level = value
    return total


def test_staircase_keeps_what_nothing_beats() -> None:
    front = staircase(np.array([3.0, 1.0, 2.0, 2.0, 4.0]), np.array([2.0, 5.0, 3.0, 3.0, 2.0]))
    assert front.latency_ms.tolist() == [1.0, 2.0, 3.0]
    assert front.error.tolist() == [5.0, 3.0, 2.0]


def test_without_doubt_the_expectation_is_the_area_added() -> None:
    latency, error = np.array([1.0, 2.0, 4.0]), np.array([9.0, 5.0, 3.0])
    reference = Reference(6.0, 10.0)
    where, value = np.array([0.5, 1.5, 3.0, 5.0, 7.0]), np.array([9.5, 4.0, 4.0, 1.0, 1.0])
    found = expected_improvement(
        np.log(value), np.full(5, 1e-12), where, staircase(latency, error), reference
    )
    before = area(latency, error, reference)
    added = [
        area(np.append(latency, w), np.append(error, v), reference) - before
        for w, v in zip(where, value, strict=True)
    ]
    assert np.allclose(found, added, atol=1e-4)


def test_with_doubt_it_is_the_mean_over_draws() -> None:
    rng = np.random.default_rng(0)
    latency, error = rng.uniform(1, 5, 6), rng.uniform(2, 9, 6)
    front, reference = staircase(latency, error), Reference(6.0, 9.5)
    mean, variance, where = np.log([4.0, 3.0]), np.array([0.3, 0.05]), np.array([1.5, 4.0])
    found = expected_improvement(mean, variance, where, front, reference)
    before = area(latency, error, reference)
    for i in range(2):
        draws = np.exp(mean[i] + np.sqrt(variance[i]) * rng.standard_normal(20_000))
        added = [
            area(np.append(latency, where[i]), np.append(error, d), reference) - before
            for d in draws
        ]
        assert found[i] == pytest.approx(np.mean(added), rel=0.03)


def test_an_uncertain_latency_is_averaged_over() -> None:
    rng = np.random.default_rng(1)
    front, reference = Staircase(np.array([1.0, 3.0]), np.array([6.0, 4.0])), Reference(5.0, 8.0)
    mean, variance = np.log([4.5]), np.array([0.04])
    nodes = over_latency(np.array([2.5]), np.array([0.8]))
    found = sum(w * expected_improvement(mean, variance, at, front, reference) for w, at in nodes)
    assert sum(w * at[0] for w, at in nodes) == pytest.approx(2.5)
    spread = np.sqrt(np.log1p((0.8 / 2.5) ** 2))
    draws = np.exp(np.log(2.5) - spread**2 / 2 + spread * rng.standard_normal(20_000))
    many = np.ones(len(draws))
    direct = expected_improvement(mean[0] * many, variance[0] * many, draws, front, reference)
    assert float(np.squeeze(found)) == pytest.approx(direct.mean(), rel=0.03)
    assert len(over_latency(np.array([2.5]), np.zeros(1))) == 1


def test_a_put_on_nothing_is_worth_nothing() -> None:
    assert np.allclose(puts(np.zeros(2), np.ones(2), np.array([0.0, 1e-9])), 0.0, atol=1e-8)
