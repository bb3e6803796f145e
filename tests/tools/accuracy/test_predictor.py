"""The predictor: scikit-learn's contract, determinism, missing values, labels, validation."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_nas.domain import PERPLEXITY, ContextName, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.predictor import ranks, unlabelled, validate
from llm_nas.tools.accuracy.design import design
from llm_nas.tools.accuracy.fixed_scale import NOISE, FixedScaleProcess, matern52
from llm_nas.tools.accuracy.labels import (
    LABEL_SCHEMES,
    LabelScheme,
    Unlabelled,
    best_of_levels,
    choose_labels,
    draw_over_niches,
    drawn_at_random,
    quotas,
    scheme_for,
)
from llm_nas.tools.accuracy.predictor import (
    PredictorOptions,
    TrainedPredictor,
    train_predictor,
)
from llm_nas.tools.accuracy.ranks import spearman_rho
from llm_nas.tools.accuracy.trees import ProxyPredictor
from tests.tools.accuracy import toy

FEATURES = toy.features()


def train(labels: int = 60, seed: int = 1, **more: Any) -> TrainedPredictor:
    task = more.pop("task", toy.ToyTask())
    features = more.pop("features", FEATURES)
    options = PredictorOptions(**more)
    return train_predictor(features, toy.SPACE, task, toy.NICHES, labels, seed, options)


def _data(n: int = 200) -> tuple[FloatArray, FloatArray]:
    features = np.random.default_rng(0).random((n, 4))
    return features, 3 * features[:, 0] - features[:, 1] ** 2


class TestTrees:
    """What scikit-learn expects of a regressor."""

    def test_parameters_round_trip(self) -> None:
        twin: Any = import_module("sklearn.base").clone(ProxyPredictor(max_depth=3))
        assert twin.get_params()["max_depth"] == 3

    def test_fit_returns_self_learns_and_repeats_itself(self) -> None:
        features, targets = _data()
        model = ProxyPredictor(random_state=3)
        assert model.fit(features, targets) is model
        assert model.score(features, targets) > 0.95
        again = ProxyPredictor(random_state=3).fit(features, targets)
        np.testing.assert_array_equal(model.predict(features), again.predict(features))

    def test_refuses_what_it_cannot_use(self) -> None:
        with pytest.raises(import_module("sklearn.exceptions").NotFittedError):
            ProxyPredictor().predict([[0.0]])
        features, targets = _data(50)
        model = ProxyPredictor(n_estimators=2).fit(features, targets)
        with pytest.raises(ValueError, match="4 features"):
            model.predict(np.zeros((1, 3)))
        features[0, 0] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            ProxyPredictor(n_estimators=2).fit(features, targets)
        features[0, 0], targets[0] = 0.0, np.nan
        with pytest.raises(ValueError, match="NaN"):
            ProxyPredictor(n_estimators=2).fit(features, targets)

    def test_missing_is_a_value_of_its_own(self) -> None:
        """Rows without a proxy form a group that no filled-in number could single out."""
        features, _ = _data()
        features[::2, 0] = np.nan
        targets = np.where(np.isnan(features[:, 0]), 90.0, 10.0)
        model = ProxyPredictor(colsample_bytree=1.0).fit(features, targets)
        np.testing.assert_allclose(model.predict(features), targets, atol=1.0)


class TestFeatures:
    """What the pool says of architectures, in it or not."""

    def test_outside_the_pool_scales_are_the_pools(self) -> None:
        some = FEATURES.pool[:40]
        assert not set(some[:20]) - set(FEATURES.row)
        rest = [a for a in toy.SPACE.neighbours(some[0]) if a not in FEATURES.row]
        values, embedding = FEATURES.of([*some, *rest])
        np.testing.assert_array_equal(values[:40], FEATURES.values[:40])
        np.testing.assert_allclose(embedding[:40], FEATURES.embedding[:40])
        assert np.isfinite(embedding).all()

    def test_a_missing_proxy_is_neutral_and_marked(self) -> None:
        """Rows without it differ from others by the mark, not by an invented value."""
        features = toy.features(structure=False)
        absent = np.isnan(features.values[:, 1])
        assert absent.any()
        assert np.isfinite(features.embedding).all()
        distinct = [len(np.unique(column)) for column in features.embedding.T]
        mark = features.embedding[:, distinct.index(2)]
        assert len(np.unique(mark[absent])) == len(np.unique(mark[~absent])) == 1

    def test_a_space_without_proxies_is_read_by_structure_alone(self) -> None:
        features = toy.features(structure=False, proxies=False)
        assert features.values.shape[1] == toy.SPACE.features(features.pool[:1]).shape[1]
        predictor = train(features=features)
        assert "no proxies at hand" in predictor.description
        truth = toy.accuracies(features.pool)
        assert spearman_rho(predictor.scores, truth) > 0.9


class TestProcess:
    """Against the textbook's formulas, written plainly."""

    def test_mean_and_deviation_solve_the_normal_equations(self) -> None:
        rng = np.random.default_rng(0)
        rows, targets, at = rng.random((30, 3)) * 3, rng.random(30), rng.random((300, 3)) * 3
        process = FixedScaleProcess(rows, targets)
        distance = np.linalg.norm(at[:, None] - rows[None], axis=2) * np.sqrt(5)
        cross = np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))
        np.testing.assert_allclose(matern52(at, rows), cross, atol=1e-7)
        among = matern52(rows, rows) + NOISE * np.eye(30)
        middle = float(targets.mean())
        mean = np.asarray(middle + cross @ np.linalg.solve(among, targets - middle))
        np.testing.assert_allclose(process.mean(at), mean, atol=1e-6)
        variance = 1 - np.einsum("ij,ji->i", cross, np.linalg.solve(among, cross.T))
        np.testing.assert_allclose(process.deviation(at) ** 2, variance, atol=1e-6)

    def test_a_left_out_row_is_as_uncertain_as_if_it_had_never_been_there(self) -> None:
        rows = np.random.default_rng(1).random((20, 3)) * 3
        whole = FixedScaleProcess(rows, np.zeros(20))
        for position in range(20):
            rest = np.delete(rows, position, axis=0)
            without = FixedScaleProcess(rest, np.zeros(19)).deviation(
                rows[position : position + 1]
            )
            assert whole.left_out[position] == pytest.approx(without[0], rel=1e-6)


def _unlabelled(size: int = 1500) -> Unlabelled:
    rng = np.random.default_rng(0)
    niches = np.repeat(np.arange(4), [size // 2, size // 4, size // 5, size // 20])
    return Unlabelled(rng.random((size, 2)) * 3, rng.random(size), niches)


class TestLabels:
    """Which architectures are labelled."""

    @pytest.mark.parametrize("by", LABEL_SCHEMES)
    def test_distinct_by_seed_and_paid_once(self, by: LabelScheme) -> None:
        pool, asked = _unlabelled(), list[int]()

        def goodness(rows: IntArray) -> FloatArray:
            asked.extend(rows.tolist())
            return np.asarray(pool.embedding[rows].sum(axis=1), dtype=np.float64)

        chosen, known = choose_labels(pool, goodness, 300, 4, by)
        assert chosen.tolist() == asked
        assert len(set(asked)) == 300
        np.testing.assert_array_equal(known, pool.embedding[chosen].sum(axis=1))
        again, _ = choose_labels(pool, goodness, 300, 4, by)
        other, _ = choose_labels(pool, goodness, 300, 5, by)
        np.testing.assert_array_equal(again, chosen)
        assert not np.array_equal(other, chosen)

    @pytest.mark.parametrize("labels", [0, 19, 1401])
    def test_too_few_or_too_many(self, labels: int) -> None:
        with pytest.raises(RequestError, match=r"labels: .* is not in 20\.\.1400"):
            choose_labels(_unlabelled(), lambda rows: np.zeros(len(rows)), labels, 0, "front")

    def test_small_niches_get_more_than_their_share(self) -> None:
        niches = np.repeat(np.arange(3), [12_000, 2_500, 300])
        drawn = draw_over_niches(niches, 1000, 0)
        assert 20 < (niches[drawn] == 2).sum() < 200
        assert len(set(draw_over_niches(niches, 14_700, 0).tolist())) == 14_700

    def test_quotas(self) -> None:
        sizes = np.array([100, 25, 4])
        assert quotas(sizes, 12, 0.0).tolist() == [4, 4, 4]
        assert quotas(sizes, 17, 0.5).tolist() == [10, 5, 2]
        assert quotas(sizes, 30, 0.0).tolist() == [13, 13, 4]
        assert quotas(sizes, 129, 0.5).tolist() == [100, 25, 4]
        assert quotas(np.array([10, 0, 10]), 7, 0.5).tolist() in ([4, 0, 3], [3, 0, 4])

    def test_schemes_for_few_labels(self) -> None:
        assert scheme_for(300, "niches") == "niches"
        assert scheme_for(299, "front") == "design"
        assert scheme_for(40, "uniform") == "uniform"
        assert drawn_at_random(500, "niches") == 500
        with pytest.raises(RequestError, match="at most 1000"):
            scheme_for(1001, "design")

    def test_the_front_is_looked_for_at_every_cost_after_a_blind_start(self) -> None:
        pool = _unlabelled()
        best = pool.embedding.sum(axis=1)
        first = drawn_at_random(400, "front")
        chosen, known = choose_labels(pool, best.__getitem__, 400, 2, "front")
        other, _ = choose_labels(pool, lambda rows: -best[rows], 400, 2, "front")
        np.testing.assert_array_equal(chosen[:first], other[:first])
        assert known[first:].mean() > np.quantile(best, 0.9)
        assert np.ptp(pool.cost[chosen[first:]]) > 0.9

    def test_levels_are_dealt_in_turn(self) -> None:
        promise = np.array([5.0, 9.0, 1.0, 7.0, 2.0, 8.0])
        levels = np.array([0, 0, 1, 1, 1, 2])
        assert best_of_levels(promise, levels, 3).tolist() == [1, 5, 3]
        assert best_of_levels(promise, levels, 6).tolist() == [1, 5, 3, 0, 4, 2]


class TestDesign:
    """A few labels are chosen: the ones that tell most about all others."""

    @staticmethod
    def _mean_variance(points: FloatArray, labelled: list[int]) -> float:
        covariance = matern52(points, points)
        among = covariance[np.ix_(labelled, labelled)] + NOISE * np.eye(len(labelled))
        told = covariance[:, labelled] @ np.linalg.solve(among, covariance[labelled])
        return float((1.0 - np.diag(told)).mean())

    def test_every_step_is_the_best_one(self) -> None:
        """The same as trying each remaining row and solving for all variances anew."""
        points = np.random.default_rng(0).random((30, 2)) * 4
        chosen = design(points, np.ones(30), 6, 0).tolist()
        for step in range(6):
            past = chosen[:step]
            left = [row for row in range(30) if row not in past]
            best = min(left, key=lambda row: self._mean_variance(points, [*past, row]))
            assert chosen[step] == best

    def test_weight_draws_labels(self) -> None:
        points = np.linspace(0.0, 20.0, 200)[:, None]
        right = np.where(points[:, 0] > 15, 1.0, 1e-6)
        assert (points[design(points, right, 8, 0), 0] > 14).all()


def test_training_is_deterministic_and_pays_for_its_labels() -> None:
    task = toy.ToyTask()
    first, second = train(task=task), train()
    np.testing.assert_array_equal(first.scores, second.scores)
    assert task.trained == FEATURES.archs_at(first.train)
    assert first.labels == len(set(task.trained)) == 60
    assert first.proxies_from == {"sum": "another task"}
    assert first.description == (
        "trees+gp on proxies+structure, labels by design, 60 labels; "
        "1 proxies borrowed from another task"
    )


def test_accuracies_are_in_range_and_keep_the_order_of_scores() -> None:
    predictor = train(320)
    values, order = predictor.values(predictor.scores), np.argsort(predictor.scores)
    assert values.min() >= 0
    assert values.max() <= 100
    assert (np.diff(values[order]) >= 0).all()
    assert np.abs(values - toy.accuracies(FEATURES.pool)).mean() < 2.0
    some = [*FEATURES.pool[3:9], *list(toy.SPACE.neighbours(FEATURES.pool[0]))]
    np.testing.assert_allclose(predictor.predict(some), toy.accuracies(some), atol=8.0)


def test_lower_is_better_where_the_metric_says_so() -> None:
    predictor = train(320, task=toy.ToyTask(PERPLEXITY))
    truth = np.exp((100 - toy.accuracies(FEATURES.pool)) / 30)
    assert spearman_rho(predictor.values(predictor.scores), truth) > 0.95
    assert predictor.values(predictor.scores).min() > 0


def test_failed_trainings_are_paid_for_and_left_out() -> None:
    failing = frozenset(FEATURES.pool[::3])
    predictor = train(320, task=toy.ToyTask(failing=failing))
    assert predictor.labels == 320
    assert np.isnan(predictor.goodness).sum() > 50
    assert spearman_rho(predictor.scores, toy.accuracies(FEATURES.pool)) > 0.95
    with pytest.raises(RequestError, match="0 of 60 trainings succeeded"):
        train(task=toy.ToyTask(failing=frozenset(FEATURES.pool)))


def test_trees_alone_on_proxies_alone() -> None:
    task, options = toy.ToyTask(), PredictorOptions(features="proxies", model="trees")
    features = toy.features(structure=False)
    predictor = train_predictor(features, toy.SPACE, task, toy.NICHES, 60, 0, options)
    assert predictor.features.values.shape[1] == 2
    np.testing.assert_array_equal(
        predictor.scores, predictor.trees.predict(predictor.features.values)
    )


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_unknown_word_lists_what_is_allowed(position: int) -> None:
    words = ["proxies", "trees", "uniform"]
    assert str(PredictorOptions.parse(*words)) == "trees on proxies, labels by uniform"
    words[position] = "magic"
    with pytest.raises(RequestError, match="unknown 'magic'; use one of "):
        PredictorOptions.parse(words[0], words[1], words[2])


def test_ranks_of_known_orders() -> None:
    up = np.arange(5.0)
    assert ranks(up, up) == pytest.approx({"spearman": 1.0, "kendall": 1.0, "cells": 5})
    one_swap = np.array([1.0, 0.0, 2.0, 3.0, 4.0])
    assert ranks(up, one_swap)["spearman"] == pytest.approx(0.9)
    assert ranks(up, one_swap)["kendall"] == pytest.approx(0.8)
    assert ranks(up, np.ones(5)) == {"spearman": None, "kendall": None, "cells": 5}
    assert ranks(up[:1], up[:1])["cells"] == 1


def test_validation_looks_at_unlabelled_architectures_only() -> None:
    predictor = train(100)
    truth = 100 - toy.accuracies(FEATURES.pool)
    result = validate(predictor, truth, toy.NICHES)
    assert result["all"]["cells"] == 1400 == sum(n["cells"] for n in result["niches"].values())
    assert result["holdout100"]["cells"] == 100
    assert (result["labels"], result["seed"]) == (100, 1)
    spearman = result["all"]["spearman"]
    assert spearman is not None
    assert spearman > 0.95
    spoilt = truth.copy()
    spoilt[predictor.train] = 0.0
    assert validate(predictor, spoilt, toy.NICHES) == result
    assert set(unlabelled(predictor).tolist()).isdisjoint(predictor.train.tolist())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "labels", "floor"),
    [
        ("cifar10", 1000, 0.965),
        ("cifar100", 1000, 0.965),
        ("ImageNet16-120", 1000, 0.965),
        ("ImageNet16-120", 100, 0.93),
    ],
)
def test_quality_on_the_published_tables(
    tables: Path, task: str, labels: int, floor: float
) -> None:
    from llm_nas.evaluation.truth import open_truth
    from llm_nas.tools.accuracy.predicted import open_predicted_task
    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.tasks import shape_of

    space = open_space("nb201", shape_of(task))
    predictor = open_predicted_task(task, space, labels, 0, data_dir=tables).predictor
    truth = open_truth(ContextName(space="nb201", task=task, device="edgegpu"), space, tables)
    assert truth is not None
    rest = unlabelled(predictor)
    errors = truth.errors(predictor.features.archs_at(rest))
    assert spearman_rho(predictor.scores[rest], -errors) > floor
