"""Whether the architectures of a search leave the range its predictor was trained on.

A label stands for its surroundings: the Gaussian process says how uncertain an architecture is
given all labels, whatever these are. One is outside when it is more uncertain than 95 % of the
labels would be, were they not labelled. The yardstick is the labels alone, so labels from a part
of the space do not stretch it. It looks at no accuracy.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

from llm_nas.domain import Arch, BoolArray
from llm_nas.frozen import Frozen
from llm_nas.tools.accuracy.fixed_scale import FixedScaleProcess
from llm_nas.tools.accuracy.predictor import TrainedPredictor

INSIDE = 0.95
"""Share of the labels that are inside by definition."""
USUAL = 0.2
"""Share outside up to which 90 % intervals hold at least 87 % of a search's architectures: they
cover some 90 % inside and 74 % outside (docs/notebook/predictor.md)."""
CHANCE = 0.01
"""An alarm needs a share that would come up this rarely if `USUAL` of all were outside."""


class Drift(Frozen):
    """How many architectures lie outside the range of the labels, and whether that is too many."""

    alarm: bool
    archs: int
    outside: int


class TrainingRange:
    """The range of one predictor; what an architecture is gets computed once."""

    def __init__(self, predictor: TrainedPredictor) -> None:
        """Take the features and the labelled rows; the model itself does not matter."""
        self._features = predictor.features
        rows = predictor.features.embedding[predictor.train]
        self._process = FixedScaleProcess(rows, np.zeros(len(rows)))
        self._limit = float(np.quantile(self._process.left_out, INSIDE))
        self._known: dict[Arch, bool] = {}

    def outside(self, archs: Sequence[Arch]) -> BoolArray:
        """Which of `archs` lie outside, `(n,)`."""
        new = [arch for arch in dict.fromkeys(archs) if arch not in self._known]
        if new:
            _, embedding = self._features.of(new)
            far = self._process.deviation(embedding) > self._limit
            self._known |= dict(zip(new, far.tolist(), strict=True))
        return np.array([self._known[arch] for arch in archs], dtype=np.bool_)

    def drift(self, archs: Sequence[Arch]) -> Drift:
        """How many of `archs` lie outside, and whether that is an alarm.

        One-sided binomial test: more than `USUAL` are outside, with p < `CHANCE`.
        """
        outside = int(self.outside(archs).sum())
        chance = float(binom.sf(outside - 1, len(archs), USUAL))
        return Drift(alarm=chance < CHANCE, archs=len(archs), outside=outside)
