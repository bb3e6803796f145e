"""What the accuracy predictor reads: zero-cost proxies, and what the space says of a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from llm_nas.domain import Arch, FloatArray, IntArray
from llm_nas.ports import SearchSpace

PROXY_WEIGHT = 0.04
"""Squared inverse length scale shared by the proxies' normal scores (see `Features.embedding`)."""
STRUCTURE_WEIGHT = 0.2
"""The same for the space's own features, where it does not say."""

Block: TypeAlias = tuple[FloatArray, float]
"""Features `(n, d)` that share a length scale, and its inverse squared; 0: for the trees alone."""


@runtime_checkable
class Blocks(Protocol):
    """A space that knows which of its features belong together."""

    def feature_blocks(self, archs: Sequence[Arch]) -> Sequence[Block]:
        """The blocks, in a fixed order, with a weight each."""
        ...


class ProxyValues(Protocol):
    """Zero-cost proxies that are at hand for a task, computed or looked up."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of `values`."""
        ...

    @property
    def missing(self) -> Mapping[str, int]:
        """Number of architectures without a value of this task, for proxies that lack some."""
        ...

    @property
    def lent(self) -> Mapping[str, str]:
        """Where else the values of a proxy come from, for those that this task has not."""
        ...

    def values(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n, names)`, NaN where there is none."""
        ...


@dataclass(frozen=True)
class _Standard:
    """Turns columns into standardised ones that together weigh `weight`."""

    mean: FloatArray
    deviation: FloatArray
    weight: float

    @classmethod
    def of(cls, columns: FloatArray, weight: float) -> "_Standard":
        return cls(columns.mean(axis=0), columns.std(axis=0), weight)

    def __call__(self, columns: FloatArray) -> FloatArray:
        """Columns whose mean squared distance is `weight` x 2; constant ones are left out."""
        kept = self.deviation > 0
        standard = (columns[:, kept] - self.mean[kept]) / self.deviation[kept]
        share = self.weight / max(int(kept.sum()), 1)
        return np.asarray(np.sqrt(share) * standard, dtype=np.float64)


@dataclass(frozen=True)
class _Scores:
    """Normal scores of one column's ranks among the pool; values between two are interpolated."""

    knots: FloatArray
    scores: FloatArray

    @classmethod
    def of(cls, column: FloatArray) -> "_Scores":
        known = column[np.isfinite(column)]
        knots, first = np.unique(known, return_index=True)
        return cls(knots, np.asarray(ndtri((rankdata(known)[first] - 0.5) / len(known))))

    def __call__(self, column: FloatArray) -> FloatArray:
        return np.where(np.isfinite(column), np.interp(column, self.knots, self.scores), np.nan)


class Features:
    """Features of a pool of architectures, and of any other in the pool's terms.

    `values` `(n, d)` are for trees: NaN where a proxy is missing. `embedding` `(n, e)` is for
    Gaussian processes: standardised and weighted, so that Euclidean distance is their notion of
    likeness. Proxies enter it as normal scores; a missing one is at the mean and marked by a
    column of its own, so it is like other missing ones and neutral otherwise.
    """

    def __init__(
        self,
        space: SearchSpace,
        pool: Sequence[Arch],
        proxies: ProxyValues | None,
        *,
        structure: bool = True,
    ) -> None:
        """Fit scales to a pool.

        Args:
            space: gives the features of structure.
            pool: distinct architectures.
            proxies: zero-cost proxies; None: structure alone.
            structure: whether features of structure are read beside proxies.
        """
        self.pool = tuple(pool)
        self.row = {arch: position for position, arch in enumerate(self.pool)}
        self.proxies = proxies
        self._space = space
        self._structure = structure or proxies is None
        measured = self._measured(self.pool)
        self._columns = np.flatnonzero(np.isfinite(measured).any(axis=0))
        self._scores = [_Scores.of(measured[:, j]) for j in self._columns]
        scores = self._scored(measured)
        self._marked = np.flatnonzero(np.isnan(scores).any(axis=0))
        self._of_scores = _Standard.of(self._with_marks(scores), PROXY_WEIGHT)
        blocks = self._blocks(self.pool)
        self._of_blocks = [_Standard.of(columns, weight) for columns, weight in blocks]
        self.values = _locked(np.hstack([measured, *(columns for columns, _ in blocks)]))
        self.embedding = _locked(self._embedded(measured, blocks))

    def archs_at(self, rows: IntArray) -> list[Arch]:
        """The pool's architectures at `rows` `(n,)`."""
        positions: list[int] = rows.tolist()
        return [self.pool[row] for row in positions]

    def of(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        """Values `(n, d)` and embedding `(n, e)` of any architectures."""
        if all(arch in self.row for arch in archs):
            rows = np.array([self.row[arch] for arch in archs], dtype=np.int64)
            return self.values[rows], self.embedding[rows]
        measured, blocks = self._measured(archs), self._blocks(archs)
        values = np.hstack([measured, *(columns for columns, _ in blocks)])
        return values, self._embedded(measured, blocks)

    def _measured(self, archs: Sequence[Arch]) -> FloatArray:
        return np.zeros((len(archs), 0)) if self.proxies is None else self.proxies.values(archs)

    def _blocks(self, archs: Sequence[Arch]) -> Sequence[Block]:
        if not self._structure:
            return ()
        if isinstance(self._space, Blocks):
            return self._space.feature_blocks(archs)
        return ((self._space.features(archs), STRUCTURE_WEIGHT),)

    def _embedded(self, measured: FloatArray, blocks: Sequence[Block]) -> FloatArray:
        parts = [self._of_scores(self._with_marks(self._scored(measured)))]
        for standard, (columns, weight) in zip(self._of_blocks, blocks, strict=True):
            parts += [standard(columns)] if weight > 0 else []
        return np.hstack(parts)

    def _scored(self, measured: FloatArray) -> FloatArray:
        columns = [
            scores(measured[:, j]) for scores, j in zip(self._scores, self._columns, strict=True)
        ]
        return np.column_stack(columns) if columns else np.zeros((len(measured), 0))

    def _with_marks(self, scores: FloatArray) -> FloatArray:
        marks = np.isnan(scores[:, self._marked]).astype(np.float64)
        return np.hstack([np.nan_to_num(scores, nan=0.0), marks])


def _locked(values: FloatArray) -> FloatArray:
    values.flags.writeable = False
    return values
