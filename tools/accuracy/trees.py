"""Gradient-boosted trees as a scikit-learn regressor that leaves missing values missing."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from llm_nas.domain import FloatArray

if TYPE_CHECKING:
    # scikit-learn ships no types: what is used of it, in its own words.
    class BaseEstimator:
        """What `sklearn.base.BaseEstimator` offers."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """Parameters by name."""
            ...

        def __sklearn_tags__(self) -> Any:
            """What the estimator can take."""
            ...

    class RegressorMixin:
        """What `sklearn.base.RegressorMixin` offers."""

        def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:
            """Coefficient of determination."""
            ...

    def check_is_fitted(estimator: BaseEstimator) -> None:
        """`sklearn.exceptions.NotFittedError` before `fit`."""

    def validate_data(estimator: BaseEstimator, *arrays: npt.ArrayLike, **options: Any) -> Any:
        """The arrays as numbers; `ValueError` for wrong shapes, infinities or NaN targets."""
else:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import check_is_fitted, validate_data

_MISSING_ALLOWED = {"ensure_all_finite": "allow-nan", "dtype": np.float64}


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

        features, targets = validate_data(self, X, y, y_numeric=True, **_MISSING_ALLOWED)
        self.model_ = XGBRegressor(tree_method="hist", **self.get_params(deep=False))
        self.model_.fit(features, targets)
        return self

    def predict(self, X: npt.ArrayLike) -> FloatArray:
        """Predictions `(n,)` in the unit of `y` from `X` `(n, d)`."""
        check_is_fitted(self)
        predicted: Any = self.model_.predict(
            validate_data(self, X, reset=False, **_MISSING_ALLOWED)
        )
        return np.asarray(predicted, dtype=np.float64)

    def __sklearn_tags__(self) -> Any:
        """Missing values are welcome."""
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
