"""Typed views of untyped libraries: scikit-learn's estimator contract and SciPy's rank statistics.

Neither ships type information, so this is the one place that takes their word for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llm_nas.domain import FloatArray

if TYPE_CHECKING:

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

else:
    from sklearn.base import BaseEstimator, RegressorMixin

__all__ = [
    "BaseEstimator",
    "RegressorMixin",
    "check_fitted",
    "checked_features",
    "checked_training_set",
    "kendall_tau",
    "normal_scores",
    "normal_shares",
    "spearman_rho",
]


def _validation() -> Any:
    return import_module("sklearn.utils.validation")


def checked_training_set(
    estimator: BaseEstimator, features: npt.ArrayLike, targets: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Features `(n, d)` and targets `(n,)` as numbers; sets `n_features_in_`, allows NaN features.

    Raises:
        ValueError: as scikit-learn words it, for wrong shapes, infinities or NaN targets.
    """
    checked = _validation().validate_data(
        estimator,
        features,
        targets,
        ensure_all_finite="allow-nan",
        y_numeric=True,
        dtype=np.float64,
    )
    return checked[0], checked[1]


def checked_features(estimator: BaseEstimator, features: npt.ArrayLike) -> FloatArray:
    """Features `(n, d)` with the number of columns seen in training; `ValueError` otherwise."""
    checked: FloatArray = _validation().validate_data(
        estimator, features, reset=False, ensure_all_finite="allow-nan", dtype=np.float64
    )
    return checked


def check_fitted(estimator: BaseEstimator) -> None:
    """`sklearn.exceptions.NotFittedError` before `fit`."""
    _validation().check_is_fitted(estimator)


def spearman_rho(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rho of two `(n,)` arrays; NaN when one is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(import_module("scipy.stats").spearmanr(first, second).statistic)


def kendall_tau(first: FloatArray, second: FloatArray) -> float:
    """Kendall's tau-b of two `(n,)` arrays; NaN when one is constant."""
    return float(import_module("scipy.stats").kendalltau(first, second).statistic)


def normal_scores(values: FloatArray) -> FloatArray:
    """Column-wise normal scores of ranks, ties sharing theirs; NaN where `values` `(n, d)` is."""
    rank, quantile = import_module("scipy.stats").rankdata, import_module("scipy.special").ndtri
    scores = np.full_like(values, np.nan)
    for j, column in enumerate(values.T):
        known = np.isfinite(column)
        scores[known, j] = quantile((rank(column[known]) - 0.5) / known.sum())
    return scores


def normal_shares(scores: FloatArray) -> FloatArray:
    """Share of a standard normal distribution below each score."""
    shares: FloatArray = import_module("scipy.special").ndtr(scores)
    return shares
