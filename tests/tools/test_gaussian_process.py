import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.tools.gaussian_process import GaussianProcess, kernel


def data(n: int = 25) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3))
    return x, np.sin(x[:, 0]) + 0.5 * x[:, 1]


def test_posterior_agrees_with_the_textbook_formula() -> None:
    inputs, y = data()
    model = GaussianProcess(inputs, y)
    at = np.random.default_rng(2).normal(size=(7, 3))
    mean, variance, _ = model.posterior(at)
    gram = kernel(inputs, inputs, model.hyper) + model.hyper.noise * np.eye(len(y))
    cross = kernel(at, inputs, model.hyper)
    standard = (y - y.mean()) / y.std()
    solved: FloatArray = np.asarray(np.linalg.solve(gram, standard), dtype=np.float64)
    np.testing.assert_allclose(mean, y.mean() + y.std() * (cross @ solved), rtol=1e-8)
    own: FloatArray = np.diag(kernel(at, at, model.hyper))
    share = own - np.sum(cross * np.linalg.solve(gram, cross.T).T, axis=1)
    np.testing.assert_allclose(variance, share * model.variance * y.var(), rtol=1e-6)


def test_conditioning_agrees_with_refitting_the_same_kernel() -> None:
    inputs, y = data()
    model = GaussianProcess(inputs, y)
    at = np.random.default_rng(3).normal(size=(6, 3))
    _, variance, cross = model.posterior(at)
    after, _ = model.conditioned(at, 2, variance, cross)
    together = np.vstack([inputs, at[2:3]])
    gram = kernel(together, together, model.hyper) + model.hyper.noise * np.eye(26)
    k = kernel(at, together, model.hyper)
    share = np.diag(kernel(at, at, model.hyper)) - np.sum(k * np.linalg.solve(gram, k.T).T, axis=1)
    np.testing.assert_allclose(after, share * model.variance * y.var(), rtol=1e-6)


def test_it_learns_a_smooth_function() -> None:
    inputs, y = data(80)
    model = GaussianProcess(inputs[:60], y[:60])
    mean, variance, _ = model.posterior(inputs[60:])
    assert np.corrcoef(mean, y[60:])[0, 1] > 0.95
    z = (mean - y[60:]) / np.sqrt(variance)
    assert np.abs(z).mean() < 3.0


def test_constant_targets_are_no_trouble() -> None:
    inputs, _ = data()
    mean, variance, _ = GaussianProcess(inputs, np.full(25, 3.0)).posterior(inputs)
    assert mean == pytest.approx(3.0)
    assert np.isfinite(variance).all()
