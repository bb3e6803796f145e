"""Whether the cells of a search leave the range its accuracy predictor was trained on.

A label stands for its surroundings: the Gaussian process says how uncertain a cell is given all
labels, whatever these are. A cell is outside when it is more uncertain than 95 % of the labels
would be, were they not labelled. The yardstick is the labels alone, so labels from a part of the
space do not stretch it. It looks at no accuracy.
"""

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module

import numpy as np

from llm_nas.domain import BoolArray, Drift, IntArray
from llm_nas.tools.predictor import TrainedPredictor
from llm_nas.tools.predictor_gp import GaussianProcess

INSIDE = 0.95
"""Share of the labels that are inside by definition."""
USUAL = 0.2
"""Share outside up to which 90 % intervals hold at least 87 % of a search's cells: they cover some
90 % inside and 74 % outside (docs/predictor.md)."""
CHANCE = 0.01
"""An alarm needs a share that would come up this rarely if `USUAL` of all cells were outside."""


class TrainingRange:
    """The range of one predictor; what a cell is gets computed once."""

    def __init__(self, predictor: TrainedPredictor) -> None:
        """Take the features and the labelled cells; the model itself does not matter."""
        train = predictor.train_indices
        self._process = GaussianProcess(predictor.features.embedding, train, np.zeros(len(train)))
        self._known: dict[int, bool] = {}

    @cached_property
    def _limit(self) -> float:
        return float(np.quantile(self._process.left_out, INSIDE))

    def outside(self, cells: Sequence[int] | IntArray) -> BoolArray:
        """Which of `cells` `(n,)` lie outside, `(n,)`."""
        asked = np.asarray(cells, dtype=np.int64)
        new = np.array([c for c in asked.tolist() if c not in self._known], dtype=np.int64)
        if len(new):
            far = self._process.deviation_at(new) > self._limit
            self._known |= dict(zip(new.tolist(), far.tolist(), strict=True))
        return np.array([self._known[c] for c in asked.tolist()], dtype=np.bool_)

    def drift(self, cells: Sequence[int] | IntArray) -> Drift:
        """How many of `cells` lie outside, and whether that is an alarm.

        One-sided binomial test: more than `USUAL` are outside, with p < `CHANCE`.
        """
        outside = int(self.outside(cells).sum())
        chance = import_module("scipy.stats").binom.sf(outside - 1, len(cells), USUAL)
        return Drift(alarm=bool(chance < CHANCE), cells=len(cells), outside=outside)
