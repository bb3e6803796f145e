"""The accuracy predictor: gradient-boosted trees on zero-cost proxies, trained on a few labels."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.ports import Benchmark, SearchSpace
from llm_nas.tools.estimator import (
    BaseEstimator,
    RegressorMixin,
    check_fitted,
    checked_features,
    checked_training_set,
)
from llm_nas.tools.predictor_features import Features, FeatureSet, build_features
from llm_nas.tools.space import nas_bench_201

MIN_LABELS = 20


class ProxyPredictor(RegressorMixin, BaseEstimator):
    """XGBoost regression with the scikit-learn contract; NaN features stay missing.

    XGBoost learns at every split which side missing values go to, so nothing is filled in.
    Equal data, parameters and `random_state` give equal predictions.
    """

    def __init__(
        self,
        n_estimators: int = 400,
        learning_rate: float = 0.05,
        max_depth: int = 6,
        min_child_weight: float = 1.0,
        subsample: float = 0.8,
        colsample_bytree: float = 0.8,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        """Store the parameters; they mean what they mean in `xgboost.XGBRegressor`."""
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Train on `X` `(n, d)`, NaN allowed, and `y` `(n,)` in %."""
        from xgboost import XGBRegressor

        features, targets = checked_training_set(self, X, y)
        self.model_ = XGBRegressor(tree_method="hist", **self.get_params(deep=False))
        self.model_.fit(features, targets)
        return self

    def predict(self, X: npt.ArrayLike) -> FloatArray:
        """Predicted accuracy in %, `(n,)`, from `X` `(n, d)`."""
        check_fitted(self)
        predicted: Any = self.model_.predict(checked_features(self, X))
        return np.asarray(predicted, dtype=np.float64)

    def __sklearn_tags__(self) -> Any:
        """Missing values are welcome."""
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


@dataclass(frozen=True)
class TrainedPredictor:
    """A fitted predictor for one data set of one space."""

    model: ProxyPredictor
    features: Features = field(repr=False)
    feature_set: FeatureSet
    train_indices: IntArray = field(repr=False)
    """`(labels,)`: the cells whose validation accuracy was used, in drawing order."""
    seed: int
    seconds: float
    """Wall-clock time of training."""

    @property
    def labels(self) -> int:
        """Number of labelled cells."""
        return len(self.train_indices)

    @property
    def proxies_missing(self) -> dict[str, int]:
        """Number of cells without a value, for every proxy that lacks some."""
        return self.features.proxies_missing

    @cached_property
    def _all(self) -> FloatArray:
        values = self.model.predict(self.features.values)
        values.flags.writeable = False
        return values

    def predict_all(self) -> FloatArray:
        """Predicted accuracy of every cell in %, `(size,)`, computed once; read-only."""
        return self._all


def draw_labels(size: int, labels: int, seed: int) -> IntArray:
    """`labels` distinct cell indices, uniform, by seed; smaller draws are prefixes of larger ones.

    Raises:
        RequestError: fewer than `MIN_LABELS` or more than `size - 100`, which leaves no hold-out.
    """
    if not MIN_LABELS <= labels <= size - 100:
        raise RequestError(f"labels: {labels} is not in {MIN_LABELS}..{size - 100}")
    return np.random.default_rng(seed).permutation(size)[:labels].astype(np.int64)


def train_predictor(
    benchmark: Benchmark,
    dataset: str,
    labels: int = 1000,
    seed: int = 0,
    *,
    features: FeatureSet = "proxies",
    twins: bool = True,
    space: SearchSpace | None = None,
) -> TrainedPredictor:
    """Train a predictor on validation accuracies of `labels` cells drawn by `seed`.

    Args:
        benchmark: supplies proxies and validation accuracies.
        dataset: a name of `llm_nas.domain.DATASETS`.
        labels: number of labelled cells; what they cost to train belongs in every report.
        seed: draws the cells and seeds the trees; equal seeds give equal predictions.
        features: `proxies`, or `proxies+structure` to add operation counts and one-hot edges.
        twins: see `proxy_matrix`.
        space: NAS-Bench-201 by default.

    Raises:
        RequestError: an unknown data set or feature set, or too few or too many labels.
    """
    start = time.perf_counter()
    where = space if space is not None else nas_bench_201()
    train = draw_labels(where.size, labels, seed)
    matrix = build_features(benchmark, dataset, where, features, twins)
    accuracy = benchmark.validation_accuracy_pct(dataset)
    model = ProxyPredictor(random_state=seed).fit(matrix.values[train], accuracy[train])
    seconds = time.perf_counter() - start
    return TrainedPredictor(model, matrix, features, train, seed, seconds)
