"""The accuracy predictor: boosted trees and a Gaussian process, trained on few labelled cells."""

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar, get_args

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.ports import Benchmark, Partition, SearchSpace
from llm_nas.tools.data.own import OWN_NAME
from llm_nas.tools.estimator import normal_scores
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor_features import FEATURE_SETS, Features, FeatureSet, build_features
from llm_nas.tools.predictor_gp import GaussianProcess
from llm_nas.tools.predictor_labels import (
    LABEL_SCHEMES,
    Cells,
    LabelScheme,
    choose_labels,
    drawn_at_random,
    scheme_for,
)
from llm_nas.tools.predictor_trees import ProxyPredictor
from llm_nas.tools.space import nas_bench_201

__all__ = [
    "ModelKind",
    "PredictorOptions",
    "ProxyPredictor",
    "TrainedPredictor",
    "fit_predictor",
    "parse_options",
    "train_predictor",
]

ModelKind: TypeAlias = Literal["trees", "trees+gp"]
MODEL_KINDS: tuple[ModelKind, ...] = get_args(ModelKind)

_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class PredictorOptions:
    """How a predictor is made; every field belongs in a report."""

    features: FeatureSet = "proxies+structure"
    """`proxies`: the 13 of them and nothing else; `proxies+structure` adds what the paths do."""
    model: ModelKind = "trees+gp"
    """`trees`: XGBoost alone; `trees+gp`: the mean of XGBoost and a Gaussian process."""
    labels_by: LabelScheme = "front"
    """How labelled cells are chosen; `front` and `niches` become `design` below 300 labels."""
    twins: bool = True
    """Whether a missing proxy is taken from the canonical twin; see `proxy_matrix`."""

    transfer: bool = True
    """Whether proxies nobody has published for a data set are another data set's; see `borrow`."""
    own: bool = False
    """Whether this project's own measurement of them goes first; see `measured`."""

    def __str__(self) -> str:
        """One phrase for reports."""
        twins = "twins' proxies" if self.twins else "published proxies only"
        return f"{self.model} on {self.features} ({twins}), labels by {self.labels_by}"


def parse_options(
    features: str,
    model: str,
    labels_by: str,
    twins: bool = True,
    transfer: bool = True,
    own: bool = False,
) -> PredictorOptions:
    """Options from a person's words; `RequestError` names the word and what is allowed."""
    return PredictorOptions(
        features=_one_of("features", features, FEATURE_SETS),
        model=_one_of("model", model, MODEL_KINDS),
        labels_by=_one_of("labels_by", labels_by, LABEL_SCHEMES),
        twins=twins,
        transfer=transfer,
        own=own,
    )


def _one_of(name: str, word: str, allowed: tuple[_Word, ...]) -> _Word:
    for candidate in allowed:
        if candidate == word:
            return candidate
    raise RequestError(f"{name}: unknown '{word}'; use one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Calibration:
    """Turns normal scores into accuracies by the labelled cells' quantiles, strictly monotone."""

    scores: FloatArray
    """`(k,)`, increasing."""
    accuracies_pct: FloatArray
    """`(k,)`, non-decreasing."""

    def accuracy_pct(self, scores: FloatArray) -> FloatArray:
        """Accuracies in %, `(n,)`; beyond the labelled range it goes on with the outer slope.

        Ties among labels would make distinct scores equal, so a slope of a millionth of a
        percent per unit of score is added everywhere.
        """
        inside = np.interp(scores, self.scores, self.accuracies_pct)
        above = np.maximum(scores - self.scores[-1], 0.0) * self._slope(top=True)
        below = np.minimum(scores - self.scores[0], 0.0) * self._slope(top=False)
        return np.asarray(inside + above + below + 1e-6 * scores, dtype=np.float64)

    def _slope(self, top: bool) -> float:
        """Mean slope over the outer tenth of the labels, at least two of them."""
        k = max(len(self.scores) // 10, 2)
        part = slice(-k, None) if top else slice(None, k)
        scores, accuracies = self.scores[part], self.accuracies_pct[part]
        return float((accuracies[-1] - accuracies[0]) / (scores[-1] - scores[0]))


@dataclass(frozen=True)
class TrainedPredictor:
    """A fitted predictor for one data set of one space."""

    model: ProxyPredictor
    """The trees; they predict normal scores of accuracy."""
    process: GaussianProcess | None = field(repr=False)
    calibration: Calibration = field(repr=False)
    features: Features = field(repr=False)
    options: PredictorOptions
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
    def drawn_at_random(self) -> int:
        """How many of the first labels were drawn without a look at accuracies."""
        return drawn_at_random(self.labels, self.options.labels_by)

    @property
    def proxies_missing(self) -> dict[str, int]:
        """Number of cells without a value of this data set, for every proxy that lacks some."""
        return self.features.proxies_missing

    @property
    def description(self) -> str:
        """One sentence for reports: model, features, labels, and whose proxies were borrowed."""
        lent = self.features.proxies_from
        own = sum(source == OWN_NAME for source in lent.values())
        donors = ", ".join(sorted(set(lent.values()) - {OWN_NAME}))
        borrowed = f"; {len(lent) - own} proxies borrowed from {donors}" if donors else ""
        borrowed += f"; {own} proxies of our own measurement" if own else ""
        return f"{self.options}, {self.labels} labels{borrowed}"

    @cached_property
    def scores(self) -> FloatArray:
        """Predicted normal scores of all cells, `(size,)`: what ranks them."""
        trees = self.model.predict(self.features.values)
        return trees if self.process is None else (trees + self.process.mean) / 2.0

    @cached_property
    def _all(self) -> FloatArray:
        values = np.clip(self.calibration.accuracy_pct(self.scores), 0.0, 100.0)
        values.flags.writeable = False
        return values

    def predict(self, cells: IntArray) -> FloatArray:
        """Predicted accuracy of some cells in %, `(n,)`, without predicting all others."""
        scores = self.model.predict(self.features.values[cells])
        if self.process is not None:
            scores = (scores + self.process.mean_at(cells)) / 2.0
        return np.clip(self.calibration.accuracy_pct(scores), 0.0, 100.0)

    def predict_all(self) -> FloatArray:
        """Predicted accuracy of every cell in %, `(size,)`, computed once; read-only."""
        return self._all


def train_predictor(
    benchmark: Benchmark,
    dataset: str,
    labels: int = 1000,
    seed: int = 0,
    *,
    options: PredictorOptions | None = None,
    space: SearchSpace | None = None,
    partition: Partition | None = None,
) -> TrainedPredictor:
    """Train a predictor on validation accuracies of `labels` cells chosen by `seed`.

    Targets are the normal scores of the labels' ranks: squared error on raw accuracies would
    spend itself on the few cells that hardly train.

    Args:
        benchmark: supplies proxies and validation accuracies.
        dataset: a name of `llm_nas.domain.DATASETS`.
        labels: number of labelled cells; what they cost to train belongs in every report.
        seed: draws the cells and seeds the trees; equal seeds give equal predictions.
        options: features, model and label scheme; docs/predictor.md argues for the defaults.
        space: NAS-Bench-201 by default.
        partition: whose niches labels are spread over; S0..S5 by default, whatever the search
            uses, so that all partitions are compared on one predictor.

    Raises:
        RequestError: an unknown data set, or too few or too many labels.
    """
    start = time.perf_counter()
    asked = options if options is not None else PredictorOptions()
    chosen = replace(asked, labels_by=scheme_for(labels, asked.labels_by))
    where = space if space is not None else nas_bench_201()
    niches = partition if partition is not None else make_partition(where)
    features = build_features(
        benchmark, dataset, where, chosen.features, chosen.twins, chosen.transfer, chosen.own
    )
    known = benchmark.validation_accuracy_pct(dataset)
    cells = Cells(features.embedding, benchmark.flops_m(dataset), niches)
    train, accuracy = choose_labels(cells, known.__getitem__, labels, seed, chosen.labels_by)
    return fit_predictor(features, train, accuracy, seed, chosen, start)


def fit_predictor(
    features: Features,
    train: IntArray,
    accuracy_pct: FloatArray,
    seed: int,
    options: PredictorOptions,
    start: float | None = None,
) -> TrainedPredictor:
    """Fit to labels that are at hand.

    Args:
        features: of all cells.
        train: `(n,)`, the labelled cells.
        accuracy_pct: `(n,)`, their validation accuracies in %.
        seed: of the trees.
        options: which model to fit.
        start: `time.perf_counter()` from which training time counts; now by default.

    """
    begun = start if start is not None else time.perf_counter()
    targets = normal_scores(accuracy_pct[:, None])[:, 0]
    trees = ProxyPredictor(random_state=seed).fit(features.values[train], targets)
    process = None
    if options.model == "trees+gp":
        process = GaussianProcess(features.embedding, train, targets)
    return TrainedPredictor(
        model=trees,
        process=process,
        calibration=_calibration(targets, accuracy_pct),
        features=features,
        options=options,
        train_indices=train,
        seed=seed,
        seconds=time.perf_counter() - begun,
    )


def _calibration(scores: FloatArray, accuracy_pct: FloatArray) -> Calibration:
    """One knot per distinct score: tied labels share theirs."""
    distinct, first = np.unique(scores, return_index=True)
    return Calibration(distinct, accuracy_pct[first])
