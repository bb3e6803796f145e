"""Gradient-boosted trees as a scikit-learn regressor that leaves missing values missing."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from llm_nas.domain import FloatArray
from llm_nas.tools.estimator import (
    BaseEstimator,
    RegressorMixin,
    check_fitted,
    checked_features,
    checked_training_set,
)


class ProxyPredictor(RegressorMixin, BaseEstimator):
    """XGBoost regression with the scikit-learn contract; NaN features stay missing.

    XGBoost learns at every split which side missing values go to, so nothing is filled in.
    Equal data, parameters and `random_state` give equal predictions.
    """

    def __init__(
        self,
        n_estimators: int = 400,
        learning_rate: float = 0.06,
        max_depth: int = 4,
        min_child_weight: float = 1.0,
        subsample: float = 0.8,
        colsample_bytree: float = 0.3,
        max_bin: int = 64,
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
        self.max_bin = max_bin
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Train on `X` `(n, d)`, NaN allowed, and `y` `(n,)`."""
        from xgboost import XGBRegressor

        features, targets = checked_training_set(self, X, y)
        self.model_ = XGBRegressor(tree_method="hist", **self.get_params(deep=False))
        self.model_.fit(features, targets)
        return self

    def predict(self, X: npt.ArrayLike) -> FloatArray:
        """Predictions `(n,)` in the unit of `y` from `X` `(n, d)`."""
        check_fitted(self)
        predicted: Any = self.model_.predict(checked_features(self, X))
        return np.asarray(predicted, dtype=np.float64)

    def __sklearn_tags__(self) -> Any:
        """Missing values are welcome."""
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
