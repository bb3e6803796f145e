"""Calibrated intervals around predicted accuracies.

Intervals are split-conformal in the cross-validated form (Vovk, Ann. Math. Artif. Intell. 2015):
the labelled cells are predicted by models that did not see them, their residuals are scaled by a
difficulty, and the quantile of the scaled residuals is the half-width in units of difficulty.
Quantiles are taken per niche (Mondrian), because niches differ in how well they are predicted.
A niche has some 60 labels, whose own quantile would be off by chance more than niches differ, so
the labels of other niches count too (weights: Tibshirani et al., NeurIPS 2019), those of the
next in complexity most (localised: Guan, Biometrika 2023).
Only labels that were drawn at random count: those chosen for their promise are unlike other cells.
"""

import math
from dataclasses import dataclass

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.ports import Benchmark, Partition
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import TrainedPredictor, fit_predictor
from llm_nas.tools.space import nas_bench_201

FOLDS = 5
NOMINAL = 0.9
_BORROWED = 50.0
"""How many labels of its own all other niches' labels together count as, at most."""
_FALL = 2.0
"""A label weighs e^-2 of one from a niche nearer by one; both chosen on tuning seeds."""
_FLOOR = 0.15
"""Smallest difficulty relative to the median one, so that no interval has zero width."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals that hold the validation accuracy of a cell with probability `nominal`."""

    low_pct: FloatArray
    """`(size,)`."""
    high_pct: FloatArray
    """`(size,)`."""
    nominal: float
    factors: dict[str, float]
    """Per niche: half-width in units of difficulty."""

    def of(self, cell: int) -> tuple[float, float]:
        """One cell's interval in %."""
        return float(self.low_pct[cell]), float(self.high_pct[cell])


def intervals_of(predictor: TrainedPredictor, benchmark: Benchmark, dataset: str) -> Intervals:
    """90 % intervals of a predictor that `train_predictor` made of this benchmark and data set.

    Their niches are S0..S5 whatever a search uses, as those of the labels are.
    """
    accuracy = benchmark.validation_accuracy_pct(dataset)[predictor.train_indices]
    return conformal_intervals(predictor, accuracy, make_partition(nas_bench_201()))


def conformal_intervals(
    predictor: TrainedPredictor,
    validation_accuracy_pct: FloatArray,
    partition: Partition,
    nominal: float = NOMINAL,
    folds: int = FOLDS,
) -> Intervals:
    """Intervals for all cells from the predictor's own labels.

    Args:
        predictor: trained on `predictor.train_indices`.
        validation_accuracy_pct: `(labels,)`, the labels in the order of `train_indices`.
        partition: whose niches, in order of complexity, get their own quantile.
        nominal: share of cells to cover, in (0, 1).
        folds: of the cross-validation that yields residuals.

    Raises:
        RequestError: `nominal` outside (0, 1).
    """
    if not 0 < nominal < 1:
        raise RequestError(f"nominal: {nominal} is not between 0 and 1")
    drawn = predictor.train_indices[: predictor.drawn_at_random]
    held_out = _held_out_predictions(predictor, validation_accuracy_pct, folds)
    residuals = np.abs(validation_accuracy_pct[: len(drawn)] - held_out)
    hardness, of_labels = _difficulty(predictor, residuals)
    ratios = residuals / of_labels
    groups = partition.labels()
    factors: dict[str, float] = {}
    half = np.zeros(len(groups))
    for position, niche in enumerate(partition.niches):
        members = groups == position
        weights = niche_weights(np.abs(groups[drawn] - position))
        factors[niche.id] = _quantile(ratios, weights, nominal)
        half[members] = factors[niche.id] * hardness[members]
    middle = predictor.predict_all()
    low, high = np.clip(middle - half, 0.0, 100.0), np.clip(middle + half, 0.0, 100.0)
    return Intervals(np.asarray(low), np.asarray(high), nominal, factors)


def _held_out_predictions(
    predictor: TrainedPredictor, accuracy_pct: FloatArray, folds: int
) -> FloatArray:
    """`(drawn,)`: labels drawn at random, each predicted by a model fitted without its fold."""
    train, drawn = predictor.train_indices, predictor.drawn_at_random
    fold = np.arange(len(train)) % folds
    fold[drawn:] = -1
    predicted = np.empty(drawn)
    for k in range(folds):
        kept = fold != k
        model = fit_predictor(
            predictor.features, train[kept], accuracy_pct[kept], predictor.seed, predictor.options
        )
        predicted[~kept[:drawn]] = model.predict(train[~kept])
    return predicted


def _difficulty(
    predictor: TrainedPredictor, residuals: FloatArray, nearest: int = 40
) -> tuple[FloatArray, FloatArray]:
    """Difficulty of every cell `(size,)` and of the labels drawn at random `(drawn,)`.

    The mean residual of labels with a similar prediction: errors in % are large where accuracy is
    steep in the features (poor cells) and small among good ones. The mean is over the `nearest`
    labels in predicted score, half on either side; a label's own residual is taken out of its
    mean, or its scaled residual would come out too small and intervals too narrow.
    """
    scores, train = predictor.scores, predictor.train_indices[: len(residuals)]
    order = np.argsort(scores[train], kind="stable")
    width = min(nearest, len(order))
    window = np.ones(width) / width
    mean = np.convolve(residuals[order], window, mode="valid")
    centres = np.convolve(scores[train][order], window, mode="valid")
    floor = max(_FLOOR * float(np.median(mean)), 1e-3)
    smooth = np.interp(scores, centres, mean)
    others = (smooth[train] * width - residuals) / (width - 1)
    of_labels = np.asarray(np.maximum(others, floor), dtype=np.float64)
    return np.asarray(np.maximum(smooth, floor), dtype=np.float64), of_labels


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


def coverage(intervals: Intervals, accuracy_pct: FloatArray, cells: IntArray) -> float:
    """Share of `cells` whose accuracy `(size,)` lies in its interval; NaN for no cells."""
    inside = (accuracy_pct >= intervals.low_pct) & (accuracy_pct <= intervals.high_pct)
    return float(inside[cells].mean()) if len(cells) else math.nan
