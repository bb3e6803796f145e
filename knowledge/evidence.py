"""What the measured cells of a run say of claims.

The effect of a claim is a mean over all matched pairs in its scope (`llm_nas.knowledge.masks`),
but a search measures few of them, and mostly good cells. Measured values are therefore carried
over to the unmeasured cells by Gaussian-process regression (Rasmussen & Williams 2006, ch. 2)
with the kernel of `llm_nas.knowledge.kernel`, under which cells one edge apart say most about
each other. The posterior of the mean over pairs gives effect and error. Matched pairs that were
measured are counted for and against; without any the same posterior is a regression.

Accuracy is modelled as the logarithm of the error, because one bad operation costs a good cell
little and a poor one much; effects are given in % at the median error of the run's cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from llm_nas.claims import Claim, Objective
from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.knowledge.kernel import CellKernel
from llm_nas.knowledge.masks import SpaceTable

LEAST_CELLS = 12
"""Fewer measured cells than this say nothing."""
MOST_CELLS = 600
"""Cells of one run the regression uses; a larger run is thinned evenly."""
ALLOWANCE = {"accuracy": 2.0, "latency": 2.5, "energy": 2.5}
"""Factor on every standard error for what the kernel gets wrong.

Chosen so that 90 % intervals of supported claims cover the effect on the whole table about nine
times in ten when cells come from a search, which measures good cells and is asked about all
(`benchmarks/knowledge_audit.py`)."""
_NOISES = np.array([1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3])
LEAST_ERROR_PCT = 0.5
"""Errors below this count as this much: the logarithm needs a floor."""
_COUNTER_EXAMPLES = 5
TAIL = 0.05
"""Share on either side of an interval."""

Method = Literal["matched pairs", "regression"]


@dataclass(frozen=True, eq=False)
class Sample:
    """Distinct measured cells of one run and their values, `(n,)`; NaN where there is none."""

    cells: IntArray
    accuracy_pct: FloatArray
    latency_ms: FloatArray
    energy_mj: FloatArray

    def of(self, objective: Objective) -> FloatArray:
        """Values of one objective in its unit."""
        return {
            "accuracy": self.accuracy_pct,
            "latency": self.latency_ms,
            "energy": self.energy_mj,
        }[objective]


@dataclass(frozen=True, eq=False)
class Question:
    """What a claim asks of a space, whatever was measured; arrays are `(size,)`."""

    mask: BoolArray
    """Cells that meet its condition."""
    inside: BoolArray
    """Connected cells of its niches."""
    spread: npt.NDArray[np.float32]
    """Similarity of every cell to the mean over pairs that is asked for."""
    prior: float
    """Prior variance of that mean, in units of the signal variance."""

    @classmethod
    def of(
        cls, table: SpaceTable, kernel: CellKernel, mask: BoolArray, inside: BoolArray
    ) -> "Question | None":
        """Work a question out; None when no pair of cells inside tells."""
        usable = inside & table.connected
        weights, pairs = table.pair_weights(mask, usable)
        if pairs == 0:
            return None
        spread = kernel.spread(weights / pairs)
        return cls(mask, usable, spread.astype(np.float32), float(spread @ weights / pairs))


class Part(NamedTuple):
    """What one run says of one claim; effects are signed, in the objective's unit."""

    method: Method
    n_for: int
    n_against: int
    mean: float
    error: float
    """Standard error of `mean`, allowance included."""
    freedom: int
    cells: int
    spread: float
    """Standard deviation of the objective over the run's cells, in its unit."""
    typical: float | None
    """Median error in % an accuracy effect is given at."""
    counter_examples: tuple[int, ...]


class RunEvidence:
    """Everything the measured cells of one run can say about one objective."""

    def __init__(self, kernel: CellKernel, sample: Sample, objective: Objective) -> None:
        """Fit nothing yet; the kernel must be of the space the cells index."""
        self._kernel = kernel
        self._objective = objective
        known = np.isfinite(sample.of(objective))
        step = -(-int(known.sum()) // MOST_CELLS) or 1
        self._cells = sample.cells[known][::step]
        values = sample.of(objective)[known][::step]
        if objective == "accuracy":
            errors = np.maximum(100.0 - values, LEAST_ERROR_PCT)
            self.typical: float | None = float(np.median(errors))
            self._values = -self.typical * np.log(errors)
        else:
            self.typical = None
            self._values = values
        self._spread = float(self._values.std()) if len(values) else 0.0

    @cached_property
    def _pairs(self) -> tuple[IntArray, IntArray]:
        first, second, _ = self._kernel.table.neighbour_pairs(self._cells)
        return first, second

    @cached_property
    def _fit(self) -> tuple[FloatArray, FloatArray, float]:
        """Inverse covariance `(n, n)`, its product with centred values `(n,)`, signal variance.

        Mean and signal variance are profiled out; the noise maximises marginal likelihood.
        """
        scale, basis = np.linalg.eigh(self._kernel.gram(self._cells))
        ones, values = basis.sum(axis=0), self._values @ basis
        inverse = 1.0 / (np.maximum(scale, 0.0) + _NOISES[:, None])
        mean = (inverse @ (ones * values)) / (inverse @ ones**2)
        centred = values - mean[:, None] * ones
        n = len(values)
        variance = np.maximum((inverse * centred**2).sum(axis=1) / (n - 1), 1e-18)
        likelihood = np.log(inverse).sum(axis=1) - (n - 1) * np.log(variance)
        best = int(np.argmax(likelihood - np.log(inverse @ ones**2)))
        weights = basis @ (inverse[best] * centred[best])
        return (basis * inverse[best]) @ basis.T, weights, float(variance[best])

    def parts(self, claims: Sequence[Claim], questions: Sequence[Question]) -> list[Part] | None:
        """What the run says of claims about this objective; None when it has too few cells."""
        if len(self._cells) < LEAST_CELLS:
            return None
        inverse, weights, variance = self._fit
        cross = np.stack([q.spread[self._cells] for q in questions]).astype(np.float64)
        means = cross @ weights
        known = ((cross @ inverse) * cross).sum(axis=1)
        prior = np.array([q.prior for q in questions])
        error = np.sqrt(variance * np.maximum(prior - known, 1e-12)) * ALLOWANCE[self._objective]
        votes = self._votes(claims, questions)
        return [
            Part(*vote[:3], mean, wide, len(self._cells) - 1, len(self._cells), *rest)
            for vote, mean, wide in zip(votes, means.tolist(), error.tolist(), strict=True)
            for rest in ((self._spread, self.typical, vote[3]),)
        ]

    def surface(self) -> FloatArray | None:
        """Posterior mean over all cells up to a constant, `(size,)`; None with too few cells.

        In the objective's unit, accuracy as in an effect: rising, at the median error.
        """
        if len(self._cells) < LEAST_CELLS:
            return None
        weights = np.zeros(len(self._kernel.table.codes))
        weights[self._cells] = self._fit[1]
        return self._kernel.spread(weights)

    def _votes(
        self, claims: Sequence[Claim], questions: Sequence[Question]
    ) -> list[tuple[Method, int, int, tuple[int, ...]]]:
        """Per claim: method, pairs for and against, cells against."""
        holds = np.stack([q.mask[self._cells] for q in questions])
        usable = np.stack([q.inside[self._cells] for q in questions])
        signs = np.array([claim.effect.sign for claim in claims])
        first, second = self._pairs
        told = (holds[:, first] != holds[:, second]) & usable[:, first] & usable[:, second]
        gains = self._values[first] - self._values[second]
        agree = np.where(holds[:, first], gains, -gains) * signs[:, None] * told
        found: list[tuple[Method, int, int, tuple[int, ...]]] = []
        for row, matched in enumerate(told.any(axis=1).tolist()):
            if matched:
                having = np.where(holds[row, first], first, second)
                found.append(("matched pairs", *self._count(agree[row], having)))
            else:
                unmatched = self._unmatched(holds[row], usable[row])
                found.append(("regression", *self._count(unmatched[0] * signs[row], unmatched[1])))
        return found

    def _count(self, agree: FloatArray, having: IntArray) -> tuple[int, int, tuple[int, ...]]:
        """How many agree, how many do not, and some cells of those that do not."""
        against = having[agree < 0]
        few = tuple(dict.fromkeys(self._cells[against].tolist()))[:_COUNTER_EXAMPLES]
        return int((agree > 0).sum()), len(against), few

    def _unmatched(self, holds: BoolArray, usable: BoolArray) -> tuple[FloatArray, IntArray]:
        """Cells that meet the condition against the mean of those that do not."""
        having, lacking = np.flatnonzero(holds & usable), np.flatnonzero(~holds & usable)
        if not having.size or not lacking.size:
            return np.zeros(0), np.zeros(0, dtype=np.int64)
        return self._values[having] - self._values[lacking].mean(), having
