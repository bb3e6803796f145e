"""Calibrated intervals around predicted accuracies.

Intervals are split-conformal in the cross-validated form (Vovk, Ann. Math. Artif. Intell. 2015):
the labelled architectures are predicted by models that did not see them, their residuals are
scaled by a difficulty, and the quantile of the scaled residuals is the half-width in units of
difficulty. Quantiles are taken per niche (Mondrian), because niches differ in how well they are
predicted. A niche has some 60 labels, whose own quantile would be off by chance more than niches
differ, so the labels of other niches count too (weights: Tibshirani et al., NeurIPS 2019), those
of the next in complexity most (localised: Guan, Biometrika 2023). Only labels that were drawn at
random count: those chosen for their promise are unlike other architectures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.domain import Arch, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.ports import Partition
from llm_nas.tools.accuracy.predictor import TrainedPredictor

FOLDS = 5
NOMINAL = 0.9
_BORROWED = 50.0
"""How many labels of its own all other niches' labels together count as, at most."""
_FALL = 2.0
"""A label weighs e^-2 of one from a niche nearer by one; both chosen on tuning seeds."""
_FLOOR = 0.15
"""Smallest difficulty relative to the median one, so that no interval has zero width."""
_NEAREST = 40
"""Labels whose residuals are averaged for a difficulty, half on either side in score."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals that hold the label of an architecture with probability `nominal`."""

    predictor: TrainedPredictor
    partition: Partition
    nominal: float
    factors: dict[str, float]
    """Per niche: half-width in units of difficulty."""
    centres: FloatArray
    """Normal scores, increasing, at which difficulties are known."""
    difficulty: FloatArray
    """Mean residual of labels around each of them."""

    def bounds(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        """Low and high ends in the metric's unit, `(n,)` each."""
        scores = self.predictor.scores_of(archs)
        factors = np.array([self.factors[self.partition.niche_of(arch)] for arch in archs])
        half = factors * np.interp(scores, self.centres, self.difficulty)
        middle = self.predictor.values(scores)
        metric = self.predictor.metric
        top = metric.best if metric.higher_is_better else np.inf
        return np.maximum(middle - half, 0.0), np.minimum(middle + half, top)


def conformal_intervals(
    predictor: TrainedPredictor,
    partition: Partition,
    nominal: float = NOMINAL,
    folds: int = FOLDS,
) -> Intervals:
    """Intervals for any architecture from the predictor's own labels.

    Args:
        predictor: a trained one.
        partition: whose niches, in order of complexity, get their own quantile.
        nominal: share of architectures to cover, in (0, 1).
        folds: of the cross-validation that yields residuals.

    Raises:
        RequestError: `nominal` outside (0, 1).
    """
    if not 0 < nominal < 1:
        raise RequestError(f"nominal: {nominal} is not between 0 and 1")
    drawn, residuals = _residuals(predictor, folds)
    centres, difficulty, of_labels = _difficulty(predictor.scores[drawn], residuals)
    position = {niche.id: i for i, niche in enumerate(partition.niches)}
    archs = predictor.features.archs_at(drawn)
    groups = np.array([position[partition.niche_of(arch)] for arch in archs])
    factors = {
        niche: _quantile(residuals / of_labels, niche_weights(np.abs(groups - here)), nominal)
        for niche, here in position.items()
    }
    return Intervals(predictor, partition, nominal, factors, centres, difficulty)


def _residuals(predictor: TrainedPredictor, folds: int) -> tuple[IntArray, FloatArray]:
    """Rows whose labels were drawn at random, and how wrong a model without their fold is."""
    drawn = predictor.drawn_at_random
    sign = 1.0 if predictor.metric.higher_is_better else -1.0
    fold = np.arange(drawn) % folds
    predicted = np.empty(drawn)
    for k in range(folds):
        held_out = np.flatnonzero(fold == k)
        archs = predictor.features.archs_at(predictor.train[held_out])
        predicted[held_out] = predictor.without(held_out).predict(archs)
    residuals = np.abs(sign * predictor.goodness[:drawn] - predicted)
    known = np.isfinite(residuals)
    return predictor.train[:drawn][known], residuals[known]


def _difficulty(
    scores: FloatArray, residuals: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores where difficulty is known, the difficulty there, and that of every label.

    The mean residual of labels with a similar prediction: errors are large where accuracy is
    steep in the features (poor networks) and small among good ones. A label's own residual is
    taken out of its mean, or its scaled residual would come out too small and intervals too
    narrow.
    """
    order = np.argsort(scores, kind="stable")
    width = min(_NEAREST, len(order))
    window = np.ones(width) / width
    mean = np.convolve(residuals[order], window, mode="valid")
    centres = np.convolve(scores[order], window, mode="valid")
    floor = max(_FLOOR * float(np.median(mean)), 1e-3)
    others = (np.interp(scores, centres, mean) * width - residuals) / (width - 1)
    of_labels = np.asarray(np.maximum(others, floor), dtype=np.float64)
    return centres, np.maximum(mean, floor), of_labels


def niche_weights(steps: IntArray) -> FloatArray:
    """`(labels,)`: 1 for a niche's own labels; the others share at most `_BORROWED`.

    Args:
        steps: `(labels,)`, how many niches away each label's is; 0 for the niche's own.
    """
    others = np.where(steps > 0, np.exp(-_FALL * (steps - 1.0)), 0.0)
    share = _BORROWED / others.sum() if others.any() else 0.0
    return np.where(steps > 0, np.minimum(share * others, 1.0), 1.0)


def _quantile(ratios: FloatArray, weights: FloatArray, nominal: float) -> float:
    """The weighted conformal quantile, with one unseen ratio of weight 1 at infinity.

    With equal weights this is rank ceil((n + 1) x nominal); the largest ratio when the labels are
    too few for the level.
    """
    order = np.argsort(ratios, kind="stable")
    shares = np.cumsum(weights[order]) / (weights.sum() + 1.0)
    position = int(np.searchsorted(shares, nominal - 1e-12))
    return float(ratios[order][min(position, len(ratios) - 1)])
