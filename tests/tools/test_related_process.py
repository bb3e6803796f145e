"""A quantity seen in two places: exact, and blind to a place that misleads."""

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.tools.gaussian_process import GaussianProcess, kernel
from llm_nas.tools.related_process import LEVEL, RelatedProcess

RNG = np.random.default_rng(0)
X, ELSEWHERE, AT = (RNG.normal(size=(n, 4)) for n in (12, 60, 200))


def curve(x: FloatArray) -> FloatArray:
    value: FloatArray = np.sin(x[:, 0]) + 0.5 * x[:, 1] - 0.3 * x[:, 2] ** 2
    return value


def textbook(model: RelatedProcess, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance at `AT` by the definition of the joint covariance."""
    every = np.vstack([ELSEWHERE, x])
    there = np.arange(len(every)) < len(ELSEWHERE)
    alike = np.where(there[:, None] == there[None], 1.0, model.relation)
    gram = kernel(every, every, model.hyper) * alike + LEVEL * np.outer(there, there)
    gram += model.hyper.noise * np.eye(len(every))
    cross = kernel(every, AT, model.hyper) * np.where(there, model.relation, 1.0)[:, None]
    y, other = curve(x), curve(ELSEWHERE)
    targets = np.concatenate([other - other.mean(), y - y.mean()])
    mean: FloatArray = y.mean() + cross.T @ np.linalg.solve(gram, targets)
    solved = np.sum(cross * np.linalg.solve(gram, cross), axis=0)
    share: FloatArray = np.diag(kernel(AT, AT, model.hyper)) - solved
    return mean, share * model.variance * model.scale**2


def test_the_posterior_is_that_of_the_joint_covariance() -> None:
    model = RelatedProcess(X, curve(X), ELSEWHERE, 5.0 + curve(ELSEWHERE))
    mean, variance, _ = model.posterior(AT)
    expected = textbook(model, X)
    np.testing.assert_allclose(mean, expected[0], atol=1e-5)
    np.testing.assert_allclose(variance, expected[1], atol=1e-5)


def test_conditioning_adds_a_cell_that_has_its_mean() -> None:
    model = RelatedProcess(X, curve(X), ELSEWHERE, curve(ELSEWHERE))
    _, variance, cross = model.posterior(AT)
    after, longer = model.conditioned(AT, 3, variance, cross)
    assert longer.shape == (len(cross) + 1, len(AT))
    np.testing.assert_allclose(after, textbook(model, np.vstack([X, AT[3:4]]))[1], atol=1e-5)


def test_a_place_that_tells_makes_few_cells_enough() -> None:
    model = RelatedProcess(X, curve(X), ELSEWHERE, 3.0 + curve(ELSEWHERE))
    assert model.informed
    alone = GaussianProcess(X, curve(X))

    def miss(mean: FloatArray) -> float:
        return float(np.mean((mean - curve(AT)) ** 2))

    assert miss(model.posterior(AT)[0]) < 0.5 * miss(alone.posterior(AT)[0])


@pytest.mark.parametrize("poison", ["reversed", "permuted"])
def test_a_place_that_misleads_counts_for_nothing(poison: str) -> None:
    right = curve(ELSEWHERE)
    wrong = -right if poison == "reversed" else np.random.default_rng(1).permutation(right)
    x = np.random.default_rng(2).normal(size=(30, 4))
    model = RelatedProcess(x, curve(x), ELSEWHERE, wrong)
    assert model.relation == 0.0
    assert not model.informed


def test_constant_targets_are_no_trouble() -> None:
    model = RelatedProcess(X, np.full(12, 3.0), ELSEWHERE, np.full(60, 1.0))
    mean, variance, _ = model.posterior(AT)
    assert mean == pytest.approx(3.0)
    assert np.isfinite(variance).all()
