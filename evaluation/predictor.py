"""How well a predictor ranks architectures it was not trained on, against the truth."""

import math
from pathlib import Path

import numpy as np
from typing_extensions import TypedDict

from llm_nas.domain import ContextName, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.truth import open_truth
from llm_nas.ports import Partition
from llm_nas.tools.accuracy.predicted import open_predicted_task
from llm_nas.tools.accuracy.predictor import PredictorOptions, TrainedPredictor
from llm_nas.tools.accuracy.ranks import kendall_tau, spearman_rho
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import shape_of

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
    """Rows of the pool whose label the predictor has not seen, sorted."""
    everything = np.arange(len(predictor.features.pool))
    return np.setdiff1d(everything, predictor.train, assume_unique=True)


def validate_predictor(
    context: ContextName,
    labels: int,
    seed: int,
    *,
    data_dir: Path | None = None,
    options: PredictorOptions | None = None,
) -> tuple[Validation, str]:
    """Train a predictor and compare it with the truth; also where its labels come from.

    Args:
        context: whose space and task are meant; the device does not matter.
        labels: trainings to learn from.
        seed: draws them.
        data_dir: directory of public tables.
        options: features, model and label scheme.

    Raises:
        RequestError: Among others, where no test results of the task are known.
    """
    space = open_space(context.space, shape_of(context.task))
    task = open_predicted_task(
        context.task, space, labels, seed, data_dir=data_dir, options=options
    )
    truth = open_truth(context, space, data_dir)
    if truth is None:
        raise RequestError(f"--task {context.task}: no test results are known in {space.name}")
    errors = truth.errors(task.predictor.features.pool)
    return validate(task.predictor, errors, open_partition(None, space, seed)), task.source


def validate(
    predictor: TrainedPredictor, test_errors: FloatArray, partition: Partition
) -> Validation:
    """Rank correlations with the truth on architectures the predictor was not trained on.

    Args:
        predictor: trained on validation labels.
        test_errors: `(pool,)` of the pool, the truth.
        partition: whose niches are looked at one by one.
    """
    rest = unlabelled(predictor)
    sample = np.random.default_rng([predictor.seed, HELD_OUT]).choice(rest, HELD_OUT, False)
    niche = np.array([partition.niche_of(arch) for arch in predictor.features.archs_at(rest)])

    def on(rows: IntArray) -> Ranks:
        return ranks(predictor.scores[rows], -test_errors[rows])

    return Validation(
        holdout100=on(sample),
        all=on(rest),
        niches={n.id: on(rest[niche == n.id]) for n in partition.niches},
        labels=predictor.labels,
        seed=predictor.seed,
        proxies_missing=predictor.proxies_missing,
        proxies_from=predictor.proxies_from,
        predictor=predictor.description,
    )
