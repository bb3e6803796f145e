"""What measured cells say of claims: matched pairs first, a regression otherwise.

Everything is computed per *context* (one dataset on one device) into a `Part`; parts of several
contexts are pooled into the `Evidence` people see. All intervals are two-sided 90 % t-intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm_nas.claims import Claim, Evidence, Objective
from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.knowledge.masks import SpaceTable
from llm_nas.knowledge.student import lower_tail, quantile

LEAST_CELLS = 8
"""Fewer measured cells than this say nothing by regression."""
LEAST_PAIRS = 4
"""Matched pairs without a common cell from which matched pairs stand on their own."""
_PENALTIES = np.geomspace(1e-4, 1e3, 24)
_COUNTER_EXAMPLES = 5
_TAIL = 0.05


@dataclass(frozen=True, eq=False)
class Sample:
    """Distinct measured cells of one context: indices and objectives, `(n,)` each.

    An accuracy is the mean of what the runs' predictors said.
    """

    cells: IntArray
    accuracy_pct: FloatArray
    latency_ms: FloatArray

    def values(self, objective: Objective) -> FloatArray | None:
        """`(n,)` of an objective, None for one that no cell was measured for."""
        match objective:
            case "accuracy":
                return self.accuracy_pct
            case "latency":
                return self.latency_ms
            case "energy":
                return None


@dataclass(frozen=True, eq=False)
class Question:
    """What a claim asks of a space, whatever was measured."""

    mask: BoolArray
    """`(size,)`: cells that meet its condition."""
    inside: BoolArray
    """`(size,)`: cells of its niches."""
    contrast: FloatArray | None
    """`(p,)`: mean feature difference over matched pairs, None when no pair tells."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one context says of one claim; effects are signed, in the objective's unit."""

    method: str
    n_for: int
    n_against: int
    mean: float
    error: float
    """Standard error of `mean`."""
    freedom: float
    cells: int
    spread: float
    """Standard deviation of the objective over the context's cells."""
    counter_examples: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class _Fit:
    """A ridge regression of one objective on operations per edge, with its covariance."""

    weights: FloatArray
    covariance: FloatArray
    freedom: float

    @classmethod
    def of(cls, features: FloatArray, values: FloatArray) -> "_Fit":
        """Fit `(n, p)` features to `(n,)` values; the penalty maximises marginal likelihood."""
        centre = features.mean(axis=0)
        left, scale, right = np.linalg.svd(features - centre, full_matrices=False)
        target = values - values.mean()
        projected = left.T @ target
        rest = float(target @ target - projected @ projected)
        n = len(values)
        shrunk = _PENALTIES[:, None] / (scale**2 + _PENALTIES[:, None])
        losses = np.maximum(rest + shrunk @ projected**2, 1e-12)
        penalty = _PENALTIES[np.argmin((n - 1) * np.log(losses) - np.log(shrunk).sum(axis=1))]
        inverse = 1.0 / (scale**2 + penalty)
        weights = right.T @ (scale * inverse * projected)
        loss = rest + float((penalty * inverse) @ projected**2)
        unseen = (np.eye(features.shape[1]) - right.T @ right) / penalty
        covariance = (right.T * inverse) @ right + unseen
        return cls(weights, covariance * loss / (n - 1), float(n - 1))


class ContextEvidence:
    """Everything the measured cells of one context can say."""

    def __init__(self, table: SpaceTable, sample: Sample) -> None:
        """Pair up the sample; `table` must be of the space the cells index."""
        self._table = table
        self._sample = sample
        self._first, self._second, _ = table.neighbour_pairs(sample.cells)

    @cached_property
    def _fits(self) -> dict[str, _Fit]:
        rows = self._table.features[self._sample.cells]
        return {
            name: _Fit.of(rows, values)
            for name in ("accuracy", "latency")
            if (values := self._sample.values(name)) is not None
        }

    def part(self, claim: Claim, question: Question) -> Part | None:
        """What this context says of a claim; None when it can say nothing."""
        mask, inside = question.mask, question.inside
        values = self._sample.values(claim.effect.objective)
        if values is None or len(values) < LEAST_CELLS:
            return None
        matched = self._matched(mask, inside & self._table.connected)
        by_pairs = self._by_pairs(claim, values, *matched)
        return by_pairs or self._by_regression(claim, values, question)

    def _matched(self, mask: BoolArray, inside: BoolArray) -> tuple[IntArray, IntArray]:
        """Positions of cells with and without the condition, pair by pair."""
        holds, usable = mask[self._sample.cells], inside[self._sample.cells]
        first, second = self._first, self._second
        told = (holds[first] != holds[second]) & usable[first] & usable[second]
        first, second = first[told], second[told]
        swap = holds[second]
        return np.where(swap, second, first), np.where(swap, first, second)

    def _by_pairs(
        self, claim: Claim, values: FloatArray, having: IntArray, lacking: IntArray
    ) -> Part | None:
        independent = _disjoint(having, lacking)
        if independent < LEAST_PAIRS:
            return None
        gains = values[having] - values[lacking]
        agree = gains * claim.effect.sign
        against = having[np.argsort(agree, kind="stable")][: int((agree < 0).sum())]
        counter = self._sample.cells[np.unique(against)[:_COUNTER_EXAMPLES]]
        return Part(
            method="matched pairs",
            n_for=int((agree > 0).sum()),
            n_against=int((agree < 0).sum()),
            mean=float(gains.mean()),
            error=_pair_error(gains, having, lacking),
            freedom=float(independent - 1),
            cells=len(np.union1d(having, lacking)),
            spread=float(values.std()),
            counter_examples=tuple(int(c) for c in counter),
        )

    def _by_regression(self, claim: Claim, values: FloatArray, question: Question) -> Part | None:
        contrast = question.contrast
        if contrast is None:
            return None
        fit = self._fits[claim.effect.objective]
        mean = float(contrast @ fit.weights)
        error = float(np.sqrt(max(float(contrast @ fit.covariance @ contrast), 0.0)))
        inside = question.inside[self._sample.cells]
        holds = question.mask[self._sample.cells] & inside
        return Part(
            method="regression",
            n_for=int(holds.sum()),
            n_against=int((inside & ~holds).sum()),
            mean=mean,
            error=error,
            freedom=fit.freedom,
            cells=len(self._sample.cells),
            spread=float(values.std()),
        )


def _disjoint(having: IntArray, lacking: IntArray) -> int:
    """How many of the pairs share no cell, chosen greedily: the number of independent looks."""
    used: set[int] = set()
    count = 0
    for a, b in zip(having.tolist(), lacking.tolist(), strict=True):
        if a not in used and b not in used:
            used |= {a, b}
            count += 1
    return count


def _pair_error(gains: FloatArray, having: IntArray, lacking: IntArray) -> float:
    """Standard error of the mean gain when pairs that share a cell are correlated.

    The dyadic-cluster estimator of Aronow, Samii & Assenova (Political Analysis 23, 2015),
    never less than the error of independent pairs.
    """
    n = len(gains)
    rest = gains - gains.mean()
    size = int(max(having.max(), lacking.max())) + 1
    per_cell = np.bincount(having, rest, size) + np.bincount(lacking, rest, size)
    independent = float(rest @ rest)
    shared = float(per_cell @ per_cell) - independent
    return float(np.sqrt(max(shared, independent) / (n * max(n - 1, 1))))


def pool(
    claim: Claim, parts: Sequence[tuple[str, Part]], runs: int, names: Sequence[str]
) -> Evidence:
    """Parts of several contexts as one `Evidence`.

    Args:
        claim: gives the direction.
        parts: `(context, part)`; an empty sequence gives evidence of method 'none'.
        runs: how many runs measured the cells.
        names: architecture strings of counter-examples.
    """
    if not parts:
        return Evidence()
    mean, error, freedom = _pooled([p for _, p in parts])
    reach = quantile(1 - _TAIL, freedom) * error
    t = claim.effect.sign * mean / error if error > 0 else 0.0
    return Evidence(
        method="matched pairs"
        if all(p.method == "matched pairs" for _, p in parts)
        else "regression",
        n_for=sum(p.n_for for _, p in parts),
        n_against=sum(p.n_against for _, p in parts),
        mean_effect=mean,
        low=mean - reach,
        high=mean + reach,
        counter_examples=tuple(names),
        p_value=lower_tail(-t, freedom),
        cells=sum(p.cells for _, p in parts),
        contexts=tuple(context for context, _ in parts),
        runs=runs,
        spread=float(np.mean([p.spread for _, p in parts])),
    )


def _pooled(parts: Sequence[Part]) -> tuple[float, float, float]:
    """Mean, standard error and degrees of freedom of the mean over contexts.

    One context speaks for itself; several are averaged with equal weight, and the spread
    between them counts as error, because a claim about many contexts is about new ones too.
    """
    if len(parts) == 1:
        return parts[0].mean, parts[0].error, max(parts[0].freedom, 1.0)
    means = np.array([p.mean for p in parts])
    within = float(np.mean([p.error**2 for p in parts]))
    between = float(means.var(ddof=1))
    n = len(parts)
    error = float(np.sqrt(max(between, within) / n))
    return (
        float(means.mean()),
        error,
        float(max(n - 1, 1)) if between > within else float(sum(p.freedom for p in parts)),
    )
