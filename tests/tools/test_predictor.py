"""The predictor: scikit-learn's contract, determinism, missing values, labels, validation."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_nas.domain import PROXIES, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.data.tables import TableBenchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import (
    PredictorOptions,
    ProxyPredictor,
    TrainedPredictor,
    parse_options,
    train_predictor,
)
from llm_nas.tools.predictor_check import ranks, unlabelled, validate
from llm_nas.tools.predictor_design import design
from llm_nas.tools.predictor_features import build_features, proxy_matrix
from llm_nas.tools.predictor_gp import NOISE, GaussianProcess, matern52, squared_distances
from llm_nas.tools.predictor_labels import (
    DRAW_SCHEMES,
    Cells,
    DrawScheme,
    best_of_levels,
    choose_labels,
    designed_labels,
    draw_labels,
    drawn_at_random,
    front_labels,
    quotas,
    scheme_for,
)
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
NICHES = make_partition(SPACE)


@pytest.fixture(scope="module")
def trained() -> TrainedPredictor:
    return train_predictor(PackBenchmark(), "cifar10", 100, 1)


def _data(n: int = 200) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    features = rng.random((n, 4))
    return features, 3 * features[:, 0] - features[:, 1] ** 2


class TestContract:
    """What scikit-learn expects of a regressor."""

    def test_parameters_round_trip(self) -> None:
        model = ProxyPredictor(max_depth=3, random_state=7)
        twin: Any = import_module("sklearn.base").clone(model)
        assert twin.get_params() == model.get_params()
        assert twin.get_params()["max_depth"] == 3

    def test_fit_returns_self_and_learns(self) -> None:
        features, targets = _data()
        model = ProxyPredictor()
        assert model.fit(features, targets) is model
        assert model.score(features, targets) > 0.95
        assert model.predict(features).shape == (200,)

    def test_predict_before_fit(self) -> None:
        with pytest.raises(import_module("sklearn.exceptions").NotFittedError):
            ProxyPredictor().predict([[0.0]])

    def test_another_number_of_columns(self) -> None:
        model = ProxyPredictor(n_estimators=2).fit(*_data(50))
        with pytest.raises(ValueError, match="4 features"):
            model.predict(np.zeros((1, 3)))

    def test_infinite_features_and_missing_targets_are_refused(self) -> None:
        features, targets = _data(50)
        features[0, 0] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            ProxyPredictor(n_estimators=2).fit(features, targets)
        features[0, 0], targets[0] = 0.0, np.nan
        with pytest.raises(ValueError, match="NaN"):
            ProxyPredictor(n_estimators=2).fit(features, targets)

    def test_equal_seeds_give_equal_bits(self) -> None:
        features, targets = _data()
        first, second = (ProxyPredictor(random_state=3).fit(features, targets) for _ in range(2))
        np.testing.assert_array_equal(first.predict(features), second.predict(features))

    def test_missing_is_a_value_of_its_own(self) -> None:
        """Cells without a proxy form a group that no filled-in number could single out."""
        features, _ = _data()
        features[::2, 0] = np.nan
        targets = np.where(np.isnan(features[:, 0]), 90.0, 10.0)
        model = ProxyPredictor(colsample_bytree=1.0).fit(features, targets)
        np.testing.assert_allclose(model.predict(features), targets, atol=1.0)


class TestFeatures:
    """Proxies as published, from the twin, and with structure."""

    def test_twins_lend_their_values(self) -> None:
        benchmark = PackBenchmark()
        published = benchmark.proxies("cifar10")
        bare = proxy_matrix(benchmark, "cifar10", SPACE, twins=False)
        np.testing.assert_array_equal(bare, published)
        filled = proxy_matrix(benchmark, "cifar10", SPACE)
        known = ~np.isnan(published)
        np.testing.assert_array_equal(filled[known], published[known])
        np.testing.assert_array_equal(
            filled[:, PROXIES.index("jacov")],
            published[SPACE.canonical_index(), PROXIES.index("jacov")],
        )

    def test_what_is_missing_is_counted(self) -> None:
        features = build_features(PackBenchmark(own=None), "cifar100", SPACE, "proxies")
        assert features.proxies_missing["synflow"] == SPACE.size
        assert features.proxies_missing["zen"] == 341
        assert "flops" not in features.proxies_missing
        assert features.names == PROXIES

    def test_proxies_nobody_published_are_borrowed_and_named(self) -> None:
        benchmark = PackBenchmark(own=None)
        features = build_features(benchmark, "cifar100", SPACE, "proxies")
        lent = proxy_matrix(benchmark, "cifar10", SPACE)
        own = proxy_matrix(benchmark, "cifar100", SPACE)
        kept = [PROXIES.index(name) for name in ("flops", "params", "zen")]
        assert features.proxies_from == {
            name: "cifar10" for name in PROXIES if PROXIES.index(name) not in kept
        }
        for column in range(len(PROXIES)):
            expected = own if column in kept else lent
            np.testing.assert_array_equal(features.values[:, column], expected[:, column])
        bare = build_features(benchmark, "cifar100", SPACE, "proxies", transfer=False)
        np.testing.assert_array_equal(bare.values, own)
        assert bare.proxies_from == {}
        assert build_features(benchmark, "cifar10", SPACE, "proxies").proxies_from == {}

    def test_structure_is_the_canonical_cells(self) -> None:
        features = build_features(PackBenchmark(), "cifar10", SPACE, "proxies+structure")
        structure = features.values[:, len(PROXIES) :]
        assert len(features.names) == features.values.shape[1]
        np.testing.assert_array_equal(structure, structure[SPACE.canonical_index()])

    def test_a_missing_proxy_is_neutral_and_marked(self) -> None:
        """Cells without zen differ from others by the mark, not by an invented value."""
        features = build_features(PackBenchmark(own=None), "cifar100", SPACE, "proxies")
        absent = np.isnan(features.values[:, PROXIES.index("zen")])
        assert np.isfinite(features.embedding).all()
        distinct = [len(np.unique(column)) for column in features.embedding.T]
        mark = features.embedding[:, distinct.index(2)]
        assert len(np.unique(mark[absent])) == len(np.unique(mark[~absent])) == 1


class TestLabels:
    """Which cells are labelled."""

    @pytest.mark.parametrize("by", DRAW_SCHEMES)
    def test_distinct_and_by_seed(self, by: DrawScheme) -> None:
        drawn = draw_labels(NICHES, 1000, 4, by)
        assert len(set(drawn.tolist())) == 1000
        np.testing.assert_array_equal(draw_labels(NICHES, 1000, 4, by), drawn)
        assert not np.array_equal(draw_labels(NICHES, 1000, 5, by), drawn)

    @pytest.mark.parametrize("labels", [0, 19, 15_526])
    def test_too_few_or_too_many(self, labels: int) -> None:
        with pytest.raises(RequestError, match=r"labels: .* is not in 20\.\.15525"):
            draw_labels(NICHES, labels, 0)

    def test_small_niches_get_more_than_their_share(self) -> None:
        groups = NICHES.labels()

        def of_s5(by: DrawScheme) -> int:
            return int((groups[draw_labels(NICHES, 1000, 0, by)] == 5).sum())

        assert of_s5("uniform") < 30 < of_s5("niches") < 100 < of_s5("balanced") < 170

    def test_everything_but_the_hold_out_can_be_labelled(self) -> None:
        for by in DRAW_SCHEMES:
            assert len(set(draw_labels(NICHES, 15_525, 0, by).tolist())) == 15_525

    def test_quotas(self) -> None:
        sizes = np.array([100, 25, 4])
        assert quotas(sizes, 12, 0.0).tolist() == [4, 4, 4]
        assert quotas(sizes, 17, 0.5).tolist() == [10, 5, 2]
        assert quotas(sizes, 30, 0.0).tolist() == [13, 13, 4]
        assert quotas(sizes, 129, 0.5).tolist() == [100, 25, 4]
        assert quotas(sizes, 10, 1.0).sum() == 10


class TestDesign:
    """A few labels are chosen: the ones that tell most about all other cells."""

    @staticmethod
    def _mean_variance(points: FloatArray, labelled: list[int]) -> float:
        covariance = matern52(squared_distances(points, points))
        among = covariance[np.ix_(labelled, labelled)] + NOISE * np.eye(len(labelled))
        told = covariance[:, labelled] @ np.linalg.solve(among, covariance[labelled])
        return float((1.0 - np.diag(told)).mean())

    def test_every_step_is_the_best_one(self) -> None:
        """The same as trying each remaining cell and solving for all variances anew."""
        points = np.random.default_rng(0).random((30, 2)) * 4
        chosen = design(points, np.ones(30), 6, 0).tolist()
        for step in range(6):
            past = chosen[:step]
            left = [cell for cell in range(30) if cell not in past]
            best = min(left, key=lambda cell: self._mean_variance(points, [*past, cell]))
            assert chosen[step] == best

    def test_weight_draws_labels(self) -> None:
        points = np.linspace(0.0, 20.0, 200)[:, None]
        right = np.where(points[:, 0] > 15, 1.0, 1e-6)
        assert (points[design(points, right, 8, 0), 0] > 14).all()

    def test_niches_are_designed_when_labels_are_few(self) -> None:
        embedding = build_features(PackBenchmark(), "cifar10", SPACE).embedding
        few = designed_labels(embedding, NICHES, 40, 3)
        np.testing.assert_array_equal(few, designed_labels(embedding, NICHES, 40, 3))
        assert len(set(few.tolist())) == 40
        assert scheme_for(300, "niches") == "niches"
        assert scheme_for(299, "front") == "design"
        assert scheme_for(40, "uniform") == "uniform"

    def test_limits(self) -> None:
        with pytest.raises(RequestError, match="at most 1000"):
            scheme_for(1001, "design")
        with pytest.raises(RequestError, match="labels: 3 is not in"):
            designed_labels(np.zeros((SPACE.size, 1)), NICHES, 3, 0)


@pytest.fixture(scope="module")
def unlabelled_cells() -> Cells:
    benchmark = PackBenchmark()
    embedding = build_features(benchmark, "cifar10", SPACE).embedding
    return Cells(embedding, benchmark.flops_m("cifar10"), NICHES)


class TestFrontLabels:
    """Most labels at random, the others where a front is expected."""

    def test_every_label_is_paid_once_and_nothing_else_is_seen(
        self, unlabelled_cells: Cells
    ) -> None:
        accuracy = PackBenchmark().validation_accuracy_pct("cifar10")
        asked: list[int] = []

        def label(fresh: IntArray) -> FloatArray:
            asked.extend(fresh.tolist())
            return accuracy[fresh]

        chosen, known = choose_labels(unlabelled_cells, label, 300, 2, "front")
        assert chosen.tolist() == asked
        assert len(set(asked)) == 300
        np.testing.assert_array_equal(known, accuracy[chosen])
        again, _ = front_labels(unlabelled_cells, accuracy.__getitem__, 300, 2)
        np.testing.assert_array_equal(chosen, again)

    def test_the_first_part_is_drawn_blindly_and_the_rest_is_better(
        self, unlabelled_cells: Cells
    ) -> None:
        accuracy = PackBenchmark().validation_accuracy_pct("cifar10")
        chosen, known = front_labels(unlabelled_cells, accuracy.__getitem__, 300, 2)
        first = drawn_at_random(300, "front")
        assert first == 225
        np.testing.assert_array_equal(chosen[:first], draw_labels(NICHES, 300, 2)[:first])
        other, _ = front_labels(unlabelled_cells, lambda fresh: -accuracy[fresh], 300, 2)
        np.testing.assert_array_equal(other[:first], chosen[:first])
        flops_m = unlabelled_cells.flops_m
        better = [
            np.mean(accuracy[chosen[first:]][levels] > np.median(accuracy[flops_m == flops]))
            for flops in np.unique(flops_m)
            if (levels := flops_m[chosen[first:]] == flops).any()
        ]
        assert np.mean(better) > 0.8
        assert len(better) > 15
        assert len(known) == 300

    def test_levels_are_dealt_in_turn(self) -> None:
        promise = np.array([5.0, 9.0, 1.0, 7.0, 2.0, 8.0])
        levels = np.array([0, 0, 1, 1, 1, 2])
        assert best_of_levels(promise, levels, 3).tolist() == [1, 5, 3]
        assert best_of_levels(promise, levels, 6).tolist() == [1, 5, 3, 0, 4, 2]

    @pytest.mark.parametrize("by", [*DRAW_SCHEMES, "design"])
    def test_other_schemes_look_at_no_label(self, by: DrawScheme) -> None:
        assert drawn_at_random(500, by) == 500


class TestOptions:
    """How a predictor is made, in words and from words."""

    def test_words(self) -> None:
        assert parse_options("proxies", "trees", "uniform") == PredictorOptions(
            features="proxies", model="trees", labels_by="uniform"
        )
        assert str(PredictorOptions()) == (
            "trees+gp on proxies+structure (twins' proxies), labels by front"
        )

    def test_a_report_says_what_was_borrowed(self, trained: TrainedPredictor) -> None:
        assert trained.description == f"{PredictorOptions(labels_by='design')}, 100 labels"
        borrower = train_predictor(PackBenchmark(own=None), "cifar100", 60, 0)
        assert borrower.description.endswith("60 labels; 10 proxies borrowed from cifar10")

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_an_unknown_word_lists_what_is_allowed(self, position: int) -> None:
        words = ["proxies", "trees", "uniform"]
        words[position] = "magic"
        with pytest.raises(RequestError, match="unknown 'magic'; use one of "):
            parse_options(words[0], words[1], words[2])

    def test_trees_alone_rank_by_trees_alone(self) -> None:
        options = PredictorOptions(features="proxies", model="trees")
        predictor = train_predictor(PackBenchmark(), "cifar10", 60, 0, options=options)
        trees = predictor.model.predict(predictor.features.values)
        np.testing.assert_array_equal(predictor.scores, trees)


def test_training_is_deterministic_and_remembers_its_cells(trained: TrainedPredictor) -> None:
    again = train_predictor(PackBenchmark(), "cifar10", 100, 1)
    np.testing.assert_array_equal(trained.predict_all(), again.predict_all())
    chosen = designed_labels(trained.features.embedding, NICHES, 100, 1)
    np.testing.assert_array_equal(trained.train_indices, chosen)
    assert trained.predict_all() is trained.predict_all()
    assert trained.labels == 100


def test_accuracies_are_in_range_and_keep_the_order_of_scores(trained: TrainedPredictor) -> None:
    accuracy, order = trained.predict_all(), np.argsort(trained.scores)
    assert accuracy.min() >= 0
    assert accuracy.max() <= 100
    inside = accuracy[order][(accuracy[order] > 0) & (accuracy[order] < 100)]
    assert (np.diff(inside) >= 0).all()
    distinct = len(np.unique(trained.scores))
    assert len(np.unique(accuracy)) > 0.99 * distinct


def test_ranks_of_known_orders() -> None:
    up = np.arange(5.0)
    assert ranks(up, up) == pytest.approx({"spearman": 1.0, "kendall": 1.0, "cells": 5})
    assert ranks(up, -up)["kendall"] == pytest.approx(-1.0)
    one_swap = np.array([1.0, 0.0, 2.0, 3.0, 4.0])
    assert ranks(up, one_swap)["spearman"] == pytest.approx(0.9)
    assert ranks(up, one_swap)["kendall"] == pytest.approx(0.8)
    assert ranks(up, np.ones(5)) == {"spearman": None, "kendall": None, "cells": 5}
    assert ranks(up[:1], up[:1])["cells"] == 1


def test_validation_looks_at_unlabelled_cells_only(trained: TrainedPredictor) -> None:
    truth = PackBenchmark().truth("cifar10").test_accuracy_pct()
    result = validate(trained, truth, NICHES)
    assert result["all"]["cells"] == 15_525 == sum(n["cells"] for n in result["niches"].values())
    assert result["holdout100"]["cells"] == 100
    assert list(result["niches"]) == ["S0", "S1", "S2", "S3", "S4", "S5"]
    assert (result["labels"], result["seed"]) == (100, 1)
    spoilt = truth.copy()
    spoilt[trained.train_indices] = 0.0
    assert validate(trained, spoilt, NICHES) == result
    assert set(unlabelled(trained).tolist()).isdisjoint(trained.train_indices.tolist())


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "ImageNet16-120"])
def test_quality_on_the_published_tables(tables: Path, dataset: str) -> None:
    benchmark = TableBenchmark(tables)
    predictor = train_predictor(benchmark, dataset, 1000, 0)
    truth = benchmark.truth(dataset).test_accuracy_pct()
    result = validate(predictor, truth, NICHES)
    overall, hardest = result["all"]["spearman"], result["niches"]["S5"]["spearman"]
    assert overall is not None
    assert hardest is not None
    assert overall > 0.965
    assert hardest > 0.80


def test_a_process_that_is_given_kernel_columns_is_the_same_process() -> None:
    rng = np.random.default_rng(0)
    embedding, targets = rng.random((50, 3)), rng.random(12)
    train = rng.permutation(50)[:12]
    plain = GaussianProcess(embedding, train, targets)
    few = GaussianProcess(embedding, train[:8], targets[:8])
    grown = GaussianProcess(embedding, train, targets, columns=few.cross)
    np.testing.assert_allclose(grown.mean, plain.mean)
