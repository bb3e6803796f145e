"""The accuracy predictor: boosted trees and a Gaussian process, trained on few labels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar, get_args

import numpy as np

from llm_nas.domain import Arch, FloatArray, IntArray, Label, Metric
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace, Task
from llm_nas.tools.accuracy.features import Features
from llm_nas.tools.accuracy.fixed_scale import FixedScaleProcess
from llm_nas.tools.accuracy.labels import (
    LABEL_SCHEMES,
    LabelScheme,
    Unlabelled,
    choose_labels,
    drawn_at_random,
    scheme_for,
)
from llm_nas.tools.accuracy.ranks import normal_scores
from llm_nas.tools.accuracy.trees import ProxyPredictor

FeatureSet: TypeAlias = Literal["proxies", "proxies+structure"]
ModelKind: TypeAlias = Literal["trees", "trees+gp"]
_Word = TypeVar("_Word", bound=str)
_COSTS = ("macs_m", "flops_m", "params_m")
"""Quantities that say what an architecture costs on any device, the first a space has."""


@dataclass(frozen=True, slots=True)
class PredictorOptions:
    """How a predictor is made; every field belongs in a report."""

    features: FeatureSet = "proxies+structure"
    """`proxies` and nothing else; `proxies+structure` adds the space's own features."""
    model: ModelKind = "trees+gp"
    """`trees`: XGBoost alone; `trees+gp`: the mean of XGBoost and a Gaussian process."""
    labels_by: LabelScheme = "front"
    """How labelled architectures are chosen; `front` and `niches` become `design` below 300."""

    @classmethod
    def parse(cls, features: str, model: str, labels_by: str) -> "PredictorOptions":
        """Options from a person's words; `RequestError` names the word and what is allowed."""
        return cls(
            features=_one_of("features", features, get_args(FeatureSet)),
            model=_one_of("model", model, get_args(ModelKind)),
            labels_by=_one_of("labels-by", labels_by, LABEL_SCHEMES),
        )

    def __str__(self) -> str:
        """One phrase for reports."""
        return f"{self.model} on {self.features}, labels by {self.labels_by}"


def _one_of(name: str, word: str, allowed: tuple[_Word, ...]) -> _Word:
    for candidate in allowed:
        if candidate == word:
            return candidate
    raise RequestError(f"--{name}: unknown '{word}'; use one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Calibration:
    """Turns normal scores into values by the labels' own quantiles, strictly monotone."""

    scores: FloatArray
    """`(k,)`, increasing."""
    goodness: FloatArray
    """`(k,)`, non-decreasing."""

    @classmethod
    def of(cls, scores: FloatArray, goodness: FloatArray) -> "Calibration":
        """One knot per distinct score: tied labels share theirs."""
        distinct, first = np.unique(scores, return_index=True)
        return cls(distinct, goodness[first])

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Goodness, `(n,)`; beyond the labelled range it goes on with the outer slope.

        Ties among labels would make distinct scores equal, so a slope of a millionth per unit of
        score is added everywhere.
        """
        inside = np.interp(scores, self.scores, self.goodness)
        above = np.maximum(scores - self.scores[-1], 0.0) * self._slope(slice(-self._outer, None))
        below = np.minimum(scores - self.scores[0], 0.0) * self._slope(slice(None, self._outer))
        return np.asarray(inside + above + below + 1e-6 * scores, dtype=np.float64)

    @property
    def _outer(self) -> int:
        return max(len(self.scores) // 10, 2)

    def _slope(self, part: slice) -> float:
        """Mean slope over an outer tenth of the labels; 0 where all labels are equal."""
        scores, goodness = self.scores[part], self.goodness[part]
        rise = float(goodness[-1] - goodness[0])
        return rise / float(scores[-1] - scores[0]) if len(scores) > 1 else 0.0


@dataclass(frozen=True)
class TrainedPredictor:
    """A fitted predictor for one task of one space.

    *Goodness* is the metric where higher is better, else minus the metric.
    """

    metric: Metric
    trees: ProxyPredictor
    """They predict normal scores of goodness."""
    process: FixedScaleProcess | None = field(repr=False)
    calibration: Calibration = field(repr=False)
    features: Features = field(repr=False)
    options: PredictorOptions
    train: IntArray = field(repr=False)
    """`(labels,)`: rows of the pool that were trained, in the order they were chosen."""
    goodness: FloatArray = field(repr=False)
    """`(labels,)`, of those rows; NaN where a training failed."""
    seed: int
    seconds: float
    """Wall-clock time of training."""

    @property
    def labels(self) -> int:
        """Number of trainings that were paid for."""
        return len(self.train)

    @property
    def drawn_at_random(self) -> int:
        """How many of the first labels were drawn without a look at accuracies."""
        return drawn_at_random(self.labels, self.options.labels_by)

    @property
    def proxies_missing(self) -> dict[str, int]:
        """Number of architectures without a value of this task, for proxies that lack some."""
        return {} if self.features.proxies is None else dict(self.features.proxies.missing)

    @property
    def proxies_from(self) -> dict[str, str]:
        """Whose values stand in for proxies that this task has not."""
        return {} if self.features.proxies is None else dict(self.features.proxies.lent)

    @property
    def description(self) -> str:
        """One sentence for reports: model, features, labels, and whose proxies were borrowed."""
        lent = self.proxies_from
        donors = ", ".join(sorted(set(lent.values())))
        borrowed = f"; {len(lent)} proxies borrowed from {donors}" if lent else ""
        none = "" if self.features.proxies is not None else " (no proxies at hand)"
        return f"{self.options}{none}, {self.labels} labels{borrowed}"

    @cached_property
    def scores(self) -> FloatArray:
        """Predicted normal scores of the pool, `(pool,)`: what ranks it."""
        return self._scores(self.features.values, self.features.embedding)

    def _scores(self, values: FloatArray, embedding: FloatArray) -> FloatArray:
        trees = self.trees.predict(values)
        return trees if self.process is None else (trees + self.process.mean(embedding)) / 2.0

    def scores_of(self, archs: Sequence[Arch]) -> FloatArray:
        """Predicted normal scores of any architectures, `(n,)`."""
        values, embedding = self.features.of(archs)
        return self._scores(values, embedding)

    def values(self, scores: FloatArray) -> FloatArray:
        """The metric that normal scores stand for, within the metric's range."""
        goodness = self.calibration(scores)
        if self.metric.higher_is_better:
            return np.clip(goodness, 0.0, self.metric.best)
        return np.maximum(-goodness, -float(self.calibration.goodness.max()) / 2.0)

    def predict(self, archs: Sequence[Arch]) -> FloatArray:
        """Predicted metric of any architectures, `(n,)`."""
        return self.values(self.scores_of(archs))

    def without(self, left_out: IntArray) -> "TrainedPredictor":
        """The same predictor, fitted without some positions of `train`."""
        kept = np.setdiff1d(np.arange(self.labels), left_out)
        return fit_predictor(
            self.features,
            self.metric,
            self.train[kept],
            self.goodness[kept],
            seed=self.seed,
            options=self.options,
        )


def train_predictor(
    features: Features,
    space: SearchSpace,
    task: Task,
    partition: Partition,
    labels: int = 1000,
    seed: int = 0,
    options: PredictorOptions | None = None,
) -> TrainedPredictor:
    """Train a predictor on `labels` trainings of architectures chosen by `seed`.

    Args:
        features: of the pool from which labels are chosen.
        space: names what an architecture costs; without a cost all are of one level.
        task: trains; what its labels cost belongs in every report.
        partition: whose niches labels are spread over.
        labels: number of trainings.
        seed: draws the architectures and seeds trainings and trees.
        options: features, model and label scheme.

    Raises:
        RequestError: too few or too many labels, or hardly any training succeeded.
    """
    start = time.perf_counter()
    asked = options if options is not None else PredictorOptions()
    chosen = replace(asked, labels_by=scheme_for(labels, asked.labels_by))
    position = {niche.id: i for i, niche in enumerate(partition.niches)}
    niches = np.array([position[partition.niche_of(arch)] for arch in features.pool])
    pool = Unlabelled(features.embedding, _cost(space, features.pool), niches)
    sign = 1.0 if task.metric.higher_is_better else -1.0

    def goodness(rows: IntArray) -> FloatArray:
        answers = [task.train(arch, 1.0, seed) for arch in features.archs_at(rows)]
        return np.array([sign * a.value if isinstance(a, Label) else np.nan for a in answers])

    train, known = choose_labels(pool, goodness, labels, seed, chosen.labels_by)
    return fit_predictor(
        features, task.metric, train, known, seed=seed, options=chosen, start=start
    )


def _cost(space: SearchSpace, archs: Sequence[Arch]) -> FloatArray:
    quantities = space.quantities(archs)
    for name in _COSTS:
        if name in quantities:
            return quantities[name]
    return np.zeros(len(archs))


def fit_predictor(
    features: Features,
    metric: Metric,
    train: IntArray,
    goodness: FloatArray,
    *,
    seed: int,
    options: PredictorOptions,
    start: float | None = None,
) -> TrainedPredictor:
    """Fit to labels that are at hand.

    Targets are the normal scores of the labels' ranks: squared error on raw accuracies would
    spend itself on the few networks that hardly train.

    Args:
        features: of the pool.
        metric: of the labels.
        train: `(n,)`, the labelled rows of the pool.
        goodness: `(n,)`, NaN where a training failed.
        seed: of the trees.
        options: which model to fit.
        start: `time.perf_counter()` from which training time counts; now by default.

    Raises:
        RequestError: fewer than two labels.
    """
    begun = start if start is not None else time.perf_counter()
    kept = np.isfinite(goodness)
    if kept.sum() < 2:
        raise RequestError(f"predictor: {int(kept.sum())} of {len(train)} trainings succeeded")
    rows = train[kept]
    targets = normal_scores(goodness[kept, None])[:, 0]
    both = options.model == "trees+gp"
    return TrainedPredictor(
        metric=metric,
        trees=ProxyPredictor(random_state=seed).fit(features.values[rows], targets),
        process=FixedScaleProcess(features.embedding[rows], targets) if both else None,
        calibration=Calibration.of(targets, goodness[kept]),
        features=features,
        options=options,
        train=train,
        goodness=goodness,
        seed=seed,
        seconds=time.perf_counter() - begun,
    )
