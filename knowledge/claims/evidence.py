"""What the trainings of one source say of claims.

The effect of a claim is the mean change when its condition is switched on by the smallest legal
edit, over networks drawn from its niches. One Gaussian process, fitted to the trainings, gives
the mean of that difference and, through its joint covariance, its error. Matched pairs that were
measured stand beside it.

Errors in % are modelled by their logarithms, because one bad choice costs a good network little
and a poor one much; effects are told in % points at the median training. Latencies add up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from llm_nas.claims import Claim, Objective
from llm_nas.domain import Arch, FloatArray, Metric
from llm_nas.knowledge.claims.pairs import FEWEST, Drawn, Pair, PairSource, matched
from llm_nas.knowledge.claims.process import Fit, Posterior, fit_process
from llm_nas.ports import Device

LEAST_ARCHS = 12
"""Fewer trainings than this say nothing."""
MOST_ARCHS = 300
"""Trainings the process uses; a larger source is thinned evenly."""
LEAST_ERROR = 0.05
"""Errors in % below this count as this much: the logarithm needs a floor."""
WORST = 4.0
"""Spreads (of a normal distribution) below the median beyond which a network has learned nothing
and is left out: how far a broken network falls says nothing of those that work."""
ALLOWANCE: Mapping[Objective, float] = {"accuracy": 1.3, "latency": 1.3}
"""Factor on every standard error for what the process gets wrong: a search measures good networks
and is asked about all. Chosen so that 90 % intervals of supported claims cover the truth nine
times in ten in the contexts that settings are chosen on."""
COUNTER_EXAMPLES = 5


@dataclass(frozen=True, eq=False)
class Sample:
    """Distinct trained networks of one source and their values `(n,)` in the metric's unit."""

    archs: tuple[Arch, ...]
    values: FloatArray
    metric: Metric | None
    """None: the values are latencies in ms."""

    @property
    def relative(self) -> bool:
        """Whether effects are shares of a value rather than absolute."""
        metric = self.metric
        return metric is not None and (metric.higher_is_better or not metric.logarithmic)

    @property
    def scaled(self) -> FloatArray:
        """What the process models, rising with the objective, `(n,)`."""
        if self.metric is None:
            return self.values
        return accuracy_scale(self.metric, self.metric.errors(self.values))

    @property
    def typical(self) -> float:
        """The unit's size of a relative change: the median error; 1 where absolute."""
        if self.metric is None or not self.relative:
            return 1.0
        return float(np.median(self.metric.errors(self.values)))


def accuracy_scale(metric: Metric, errors: FloatArray) -> FloatArray:
    """Errors as claims speak of them: rising with accuracy, relative where errors are shares."""
    if metric.logarithmic and not metric.higher_is_better:
        return -errors
    return np.asarray(-np.log(np.maximum(errors, LEAST_ERROR)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Part:
    """What one source says of one claim; effects on the scale that is modelled."""

    mean: float
    variance: float
    """Of the mean."""
    n_for: int
    n_against: int
    against: tuple[Arch, ...]
    archs: int
    spread: float
    typical: float
    exact: bool = False
    """Whether the values behind it are known without error."""


class SourceEvidence:
    """One source's trainings, asked about many claims."""

    def __init__(self, sample: Sample, pairs: PairSource, fit: Fit = fit_process) -> None:
        """Nothing is fitted until claims are asked about."""
        self._sample = _learned(sample)
        self._pairs = pairs
        self._fit = fit
        self._allowance = ALLOWANCE["latency" if sample.metric is None else "accuracy"]
        self._fitted: dict[frozenset[Arch], Posterior] = {}
        self._effects: dict[tuple[frozenset[Arch], int], tuple[float, float]] = {}

    def parts(self, claims: Mapping[str, Claim]) -> dict[str, Part]:
        """What the source says of claims, by key; claims it cannot test are left out.

        The networks that suggested a claim do not test it, so claims are tested in groups that
        leave out the same ones.
        """
        own = set(self._sample.archs)
        suggested = {key: frozenset(c.origin.archs) & own for key, c in claims.items()}
        ordered = sorted(claims, key=lambda key: (sorted(suggested[key]), key))
        found: dict[str, Part] = {}
        for without, keys in groupby(ordered, key=lambda key: suggested[key]):
            found |= self._tested(without, {key: claims[key] for key in keys})
        return found

    def _tested(self, without: frozenset[Arch], claims: Mapping[str, Claim]) -> dict[str, Part]:
        kept = [n for n, arch in enumerate(self._sample.archs) if arch not in without]
        drawn = {key: self._pairs.of(claim) for key, claim in claims.items()}
        if len(kept) < LEAST_ARCHS or not any(drawn.values()):
            return {}
        values = self._sample.scaled[kept]
        archs = [self._sample.archs[n] for n in kept]
        if without not in self._fitted:
            self._fitted[without] = self._process(archs, values)
        found: dict[str, Part] = {}
        for key, claim in claims.items():
            of_claim = drawn[key]
            if of_claim is not None:
                votes = self._votes(claim, archs, values)
                mean, variance = self._effect(without, of_claim)
                spread, typical = float(np.std(values)), self._sample.typical
                found[key] = Part(mean, variance, *votes, len(archs), spread, typical)
        return found

    def _process(self, archs: Sequence[Arch], values: FloatArray) -> Posterior:
        step = -(-len(archs) // MOST_ARCHS)
        return self._fit(self._pairs.space.features(archs[::step]), values[::step])

    def _effect(self, without: frozenset[Arch], drawn: Drawn) -> tuple[float, float]:
        key = (without, id(drawn))
        if key not in self._effects:
            self._effects[key] = effect(self._fitted[without], drawn, self._allowance)
        return self._effects[key]

    def _votes(
        self, claim: Claim, archs: Sequence[Arch], values: FloatArray
    ) -> tuple[int, int, tuple[Arch, ...]]:
        """Matched pairs for and against a claim, and networks of those against."""
        pairs = matched(self._pairs.space, claim.condition, archs)
        gains = [float(values[a] - values[b]) * claim.effect.sign for a, b in pairs]
        against = [archs[a] for (a, _), gain in zip(pairs, gains, strict=True) if gain < 0]
        few = tuple(dict.fromkeys(against))[:COUNTER_EXAMPLES]
        return sum(bool(gain > 0) for gain in gains), len(against), few


def effect(process: Posterior, drawn: Drawn, allowance: float = 1.0) -> tuple[float, float]:
    """Mean change over drawn pairs and its variance, by the joint posterior of all of them.

    The variance adds what is not known of these pairs and what other pairs would have given.
    """
    n = len(drawn.pairs)
    mean, covariance = process.joint(drawn.features)
    changes = mean[:n] - mean[n:]
    weights = np.concatenate([np.full(n, 1.0 / n), np.full(n, -1.0 / n)])
    known = float(weights @ covariance @ weights)
    drawing = float(np.var(changes, ddof=1)) / n
    return float(changes.mean()), max(known, 0.0) * allowance**2 + drawing + 1e-12


def exact_parts(device: Device, pairs: PairSource, claims: Mapping[str, Claim]) -> dict[str, Part]:
    """What a device whose latencies are known says of latency claims, from drawn pairs alone."""
    found: dict[str, Part] = {}
    for key, claim in claims.items():
        drawn = pairs.of(claim)
        changes = table_changes(device, drawn.pairs if drawn else ())
        if len(changes) < FEWEST:
            continue
        agree = int((changes * claim.effect.sign > 0).sum())
        against = int((changes * claim.effect.sign < 0).sum())
        variance = float(np.var(changes, ddof=1)) / len(changes) + 1e-12
        n, spread = 2 * len(changes), float(np.std(changes))
        mean = float(changes.mean())
        found[key] = Part(mean, variance, agree, against, (), n, spread, 1.0, exact=True)
    return found


def table_changes(device: Device, pairs: Sequence[Pair]) -> FloatArray:
    """Changes of latency in ms over those pairs that a device knows."""
    archs = [pair.having for pair in pairs] + [pair.without for pair in pairs]
    told = [getattr(timing, "median_ms", None) for timing in device.measure(archs)]
    n = len(pairs)
    both = [(a, b) for a, b in zip(told[:n], told[n:], strict=True) if a and b]
    return np.array([having - without for having, without in both], dtype=np.float64)


def _learned(sample: Sample) -> Sample:
    """The sample without networks that learned nothing; accuracies only."""
    if sample.metric is None or len(sample.archs) < LEAST_ARCHS:
        return sample
    scaled = sample.scaled
    middle = float(np.median(scaled))
    spread = float(np.median(np.abs(scaled - middle))) * 1.4826
    good = np.flatnonzero(scaled >= middle - WORST * max(spread, 0.05))
    archs = tuple(sample.archs[n] for n in good.tolist())
    return Sample(archs, sample.values[good], sample.metric)


OBJECTIVES: tuple[Objective, ...] = ("accuracy", "latency")
"""Objectives that trainings carry values of."""
