"""Zero-cost scores put together, and what the first labels say of each."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.stats import spearmanr

from llm_nas.domain import Arch, BoolArray, FloatArray, Measurement, Metric, SourceVerdict
from llm_nas.ports import ZeroCost
from llm_nas.tools.advisor.pool import Catalogue, drawn

CHECKED_FROM = 8
"""Labels needed before a score is judged."""
AGREES = 0.3
"""Least rank correlation of a score with accuracy at which it is believed."""
ENTERS = 0.9
"""Least rank correlation at which a score enters the process: weaker ones say less than the
networks' structure does."""
YARDSTICK = 256
"""Members drawn to put scores on one scale in a space that cannot be listed."""


class Scores:
    """Zero-cost scores of one space, on scales on which they can be averaged."""

    def __init__(self, zero_cost: ZeroCost, catalogue: Catalogue) -> None:
        self._zero_cost, self._catalogue = zero_cost, catalogue
        self.names = zero_cost.names

    def mean(self, archs: Sequence[Arch], names: Sequence[str] | None = None) -> FloatArray:
        """Mean of some scores (None: all), `(n,)`, higher believed better.

        Each is the share of a yardstick's members that it ranks above where the space can be
        listed, else in standard deviations of a sample; a missing value counts as poor.
        """
        asked = self.names if names is None else names
        scores = self._zero_cost.scores(archs)
        return np.asarray(np.mean([self._scaled(n, scores[n]) for n in asked], axis=0))

    def known(self, archs: Sequence[Arch]) -> BoolArray:
        """Which architectures at least half of the scores have a value for, `(n,)`.

        A network that cannot be scored is likely to be broken.
        """
        scores = [np.isfinite(v) for v in self._zero_cost.scores(archs).values()]
        return np.asarray(np.mean(scores, axis=0) >= 0.5, dtype=np.bool_)

    def verdicts(
        self, metric: Metric, measured: Sequence[Measurement]
    ) -> tuple[SourceVerdict, ...]:
        """Whether each score goes with accuracy on the labels so far."""
        if not self.names or len(measured) < CHECKED_FROM:
            return ()
        errors = metric.errors(np.array([m.value for m in measured], dtype=np.float64))
        scores = self._zero_cost.scores([m.arch for m in measured])
        return tuple(_verdict(name, scores[name], errors) for name in self.names)

    def believed(self, names: Sequence[str]) -> "Mean | None":
        """The mean of some scores, standardised; None for no names."""
        return Mean(self, names) if names else None

    def _scaled(self, name: str, values: FloatArray) -> FloatArray:
        low, centre, spread, listed = self._yardstick[name]
        filled = np.where(np.isfinite(values), values, low)
        if listed is not None:
            share = np.searchsorted(listed, filled, side="right") / len(listed)
            return np.asarray(share, dtype=np.float64)
        return np.asarray((filled - centre) / spread, dtype=np.float64)

    @cached_property
    def _yardstick(self) -> dict[str, tuple[float, float, float, FloatArray | None]]:
        """Least value, mean, deviation and, in a listed space, all values in order, by score."""
        everything = self._catalogue.everything()
        listed = everything is not None
        archs = everything.archs if everything is not None else self.sample
        found: dict[str, tuple[float, float, float, FloatArray | None]] = {}
        for name, values in self._zero_cost.scores(archs).items():
            known = np.sort(values[np.isfinite(values)])
            known = known if len(known) else np.zeros(1)
            spread = float(known.std()) or 1.0
            found[name] = float(known[0]), float(known.mean()), spread, known if listed else None
        return found

    @cached_property
    def sample(self) -> list[Arch]:
        """A fixed sample of the space."""
        return drawn(self._catalogue, (), YARDSTICK, np.random.default_rng(0))


class Mean:
    """The standardised mean of some scores: `Believed`."""

    def __init__(self, scores: Scores, names: Sequence[str]) -> None:
        self._scores, self._names = scores, tuple(names)
        sample = scores.mean(scores.sample, names)
        self._centre, self._spread = float(sample.mean()), float(sample.std()) or 1.0

    def __call__(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)`, mean 0 and deviation 1 over the space."""
        return (self._scores.mean(archs, self._names) - self._centre) / self._spread


def _verdict(name: str, score: FloatArray, errors: FloatArray) -> SourceVerdict:
    known = np.isfinite(score)
    n = int(known.sum())
    if n < CHECKED_FROM or np.ptp(score[known]) == 0.0 or np.ptp(errors[known]) == 0.0:
        reason = "too few or too equal labels to tell"
        return SourceVerdict(source=name, kept=False, cells=n, reason=reason)
    agreement = float(spearmanr(score[known], -errors[known]).statistic)
    kept = agreement >= AGREES
    reason = "goes with accuracy here" if kept else "misleads here: it does not go with accuracy"
    return SourceVerdict(
        source=name, kept=kept, cells=n, rank_correlation=agreement, reason=reason
    )
