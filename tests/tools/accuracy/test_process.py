"""The Gaussian process against direct formulas, and what its hyperparameters are chosen by."""
# pyright: reportPrivateUsage=false

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.tools.accuracy.kernel import Hyperparameters, Points, kernel, points
from llm_nas.tools.accuracy.likelihood import JITTER, Observed, Search
from llm_nas.tools.accuracy.process import Process

RNG = np.random.default_rng(5)


def some(n: int, width: int = 5, prior: bool = False) -> Points:
    features = RNG.normal(size=(n, width))
    return points(features, features[:, 0] + 0.1 if prior else None)


def wave(at: Points) -> FloatArray:
    return np.sin(2.0 * at.features[:, 0]) + 0.3 * at.features[:, 1]


def directly(
    process: Process, at: Points, targets: FloatArray, new: Points
) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance by the textbook's formulas with a plain inverse."""
    hyper, units = process.hyper, process._fit.variance * process.scale**2
    noise = (hyper.noise + JITTER) * np.eye(len(at))
    inverse = np.linalg.inv(kernel(at, at, hyper) + noise)
    cross = kernel(at, new, hyper)
    mean = targets.mean() + cross.T @ inverse @ (targets - targets.mean())
    return mean, units * (kernel(new, new, hyper) - cross.T @ inverse @ cross)


@pytest.mark.parametrize("prior", [False, True])
def test_posterior_is_the_textbooks(prior: bool) -> None:
    at, new = some(25, prior=prior), some(7, prior=prior)
    process = Process(at, wave(at))
    mean, covariance = directly(process, at, wave(at), new)
    belief = process.posterior(new)
    assert np.allclose(belief.mean, mean, atol=1e-6)
    assert np.allclose(belief.variance, np.diag(covariance), rtol=1e-4, atol=1e-8)
    assert np.allclose(process.covariance(new, new), covariance, rtol=1e-4, atol=1e-8)


def test_conditioning_is_observing() -> None:
    """Conditioned on a point at its mean, a belief equals that of a process told so."""
    at, new = some(20), some(6)
    process = Process(at, wave(at))
    belief = process.posterior(new)
    after = process.conditioned(new, 2, belief)
    both = Points(np.vstack([at.features, new.features[2:3]]), np.zeros(21))
    targets = np.append(wave(at), belief.mean[2])
    hyper, units = process.hyper, process._fit.variance * process.scale**2
    inverse = np.linalg.inv(kernel(both, both, hyper) + (hyper.noise + JITTER) * np.eye(21))
    cross = kernel(both, new, hyper)
    expected = units * np.diag(kernel(new, new, hyper) - cross.T @ inverse @ cross)
    assert np.allclose(after.variance, expected, rtol=1e-3, atol=1e-7)
    mean = process._mean + cross.T @ inverse @ (targets - process._mean)
    assert np.allclose(after.mean, mean, atol=1e-4)


def test_left_out_is_leaving_out() -> None:
    at = some(15)
    targets = wave(at)
    process = Process(at, targets)
    hyper, units = process.hyper, process._fit.variance * process.scale**2
    z = process.left_out()
    for i in (0, 7):
        rest = np.delete(np.arange(15), i)
        inverse = np.linalg.inv(
            kernel(at.take(rest), at.take(rest), hyper) + (hyper.noise + JITTER) * np.eye(14)
        )
        cross = kernel(at.take(rest), at.take(np.array([i])), hyper)[:, 0]
        mean = targets.mean() + cross @ inverse @ (targets[rest] - targets.mean())
        own = kernel(at.take(np.array([i])), at.take(np.array([i])), hyper)[0, 0]
        variance = units * (own + hyper.noise + JITTER - cross @ inverse @ cross)
        assert z[i] == pytest.approx((targets[i] - mean) / np.sqrt(variance), rel=1e-4)


def test_gradient_is_the_slope() -> None:
    at = some(30, prior=True)
    targets = (wave(at) - wave(at).mean()) / wave(at).std()
    search = Search(Observed(at, targets, np.zeros(0)), Hyperparameters(prior=0.3))
    where = search.start + 0.3 * RNG.normal(size=len(search.start))
    _, slope = search(where)
    steps = 1e-5 * np.eye(len(where))
    measured = [(search(where + s)[0] - search(where - s)[0]) / 2e-5 for s in steps]
    assert np.allclose(slope, measured, atol=1e-6)


def test_features_that_matter_weigh_more() -> None:
    at = some(80, width=8)
    weights = Process(at, np.sin(3.0 * at.features[:, 0])).hyper.weights
    assert weights[0] > 3.0 * weights[2:].max()


def test_a_prior_counts_where_it_says_something_and_not_where_it_misleads() -> None:
    features = RNG.normal(size=(30, 6))
    believed = RNG.normal(size=30)
    true = Process(points(features, believed), believed + 0.05 * RNG.normal(size=30))
    noise = Process(points(features, RNG.normal(size=30)), wave(points(features)))
    assert true.hyper.prior > 0.0
    assert noise.hyper.prior == 0.0
    far = points(np.zeros((2, 6)), np.array([-1.0, 1.0]))
    low, high = true.posterior(far).mean
    assert high - low == pytest.approx(2.0, abs=0.3)


def test_a_related_task_helps_and_a_misleading_one_does_not() -> None:
    other, at, new = some(60, 2), some(10, 2), some(200, 2)
    alone = Process(at, wave(at)).posterior(new).mean
    shifted = Process(at, wave(at), other, 3.0 + wave(other))
    helped = shifted.posterior(new).mean
    assert shifted.hyper.relation > 0.5
    assert np.mean((helped - wave(new)) ** 2) < 0.5 * np.mean((alone - wave(new)) ** 2)
    at = some(20, 2)
    misled = Process(at, wave(at), other, np.random.default_rng(1).normal(size=60))
    assert misled.hyper.relation == 0.0


def test_equal_targets_and_repeated_points_are_no_obstacle() -> None:
    at = points(np.ones((6, 3)))
    belief = Process(at, np.full(6, 2.0)).posterior(at)
    assert np.allclose(belief.mean, 2.0)
    assert np.isfinite(belief.variance).all()


def test_the_same_bits_every_time() -> None:
    at, new = some(40), some(5)
    first, second = (Process(at, wave(at)).posterior(new) for _ in range(2))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.variance, second.variance)
