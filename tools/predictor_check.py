"""How well a predictor ranks cells it was not trained on, against test accuracy."""

import math

import numpy as np
from typing_extensions import TypedDict

from llm_nas.domain import FloatArray, IntArray
from llm_nas.ports import Partition
from llm_nas.tools.estimator import kendall_tau, spearman_rho
from llm_nas.tools.predictor import TrainedPredictor

HELD_OUT = 100
"""Size of the small hold-out sample, as papers report it."""


class Ranks(TypedDict):
    """Rank correlations over `cells`; None when undefined (constant or too few values)."""

    spearman: float | None
    kendall: float | None
    cells: int


class Validation(TypedDict):
    """What `llm-nas predictor validate --json` prints."""

    holdout100: Ranks
    all: Ranks
    niches: dict[str, Ranks]
    labels: int
    seed: int
    proxies_missing: dict[str, int]
    proxies_from: dict[str, str]
    predictor: str
    """Model, features, label scheme and borrowed proxies in words."""


def ranks(predicted: FloatArray, truth: FloatArray) -> Ranks:
    """Spearman's rho and Kendall's tau-b of two `(n,)` arrays."""
    if len(predicted) < 2:
        return Ranks(spearman=None, kendall=None, cells=len(predicted))
    rho, tau = spearman_rho(predicted, truth), kendall_tau(predicted, truth)
    return Ranks(
        spearman=rho if math.isfinite(rho) else None,
        kendall=tau if math.isfinite(tau) else None,
        cells=len(predicted),
    )


def unlabelled(predictor: TrainedPredictor) -> IntArray:
    """Sorted indices of the cells whose label the predictor has not seen."""
    everything = np.arange(len(predictor.predict_all()))
    return np.setdiff1d(everything, predictor.train_indices, assume_unique=True)


def validate(
    predictor: TrainedPredictor, test_accuracy_pct: FloatArray, partition: Partition
) -> Validation:
    """Rank correlations with test accuracy on cells the predictor was not trained on.

    Args:
        predictor: trained on validation accuracies.
        test_accuracy_pct: `(size,)`, the truth, in %.
        partition: whose niches are looked at one by one.
    """
    predicted, rest = predictor.predict_all(), unlabelled(predictor)
    sample = np.random.default_rng([predictor.seed, HELD_OUT]).choice(rest, HELD_OUT, False)

    def on(cells: IntArray) -> Ranks:
        return ranks(predicted[cells], test_accuracy_pct[cells])

    niches = {n.id: on(np.intersect1d(partition.members(n.id), rest)) for n in partition.niches}
    return Validation(
        holdout100=on(sample),
        all=on(rest),
        niches=niches,
        labels=predictor.labels,
        seed=predictor.seed,
        proxies_missing=predictor.proxies_missing,
        proxies_from=predictor.features.proxies_from,
        predictor=predictor.description,
    )
