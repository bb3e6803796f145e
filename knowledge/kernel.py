"""How alike cells are, for carrying effects over from measured cells to unmeasured ones.

The similarity of two cells is 0.9 for every edge on which their operations differ, multiplied
(1 for equal cells), once for the operations as written and once with dead edges emptied. Because
that is a product over edges, sums over the whole space take one pass per edge instead of a
matrix of size x size. For accuracy, cells with the same number of each operation are alike too.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.knowledge.masks import SpaceTable

SHARED = 0.9
"""Similarity left for each edge that differs."""
COUNT_LENGTH = 2.0
"""Distance in square-root counts at which similarity falls to 1/e."""


@dataclass(frozen=True, eq=False)
class CellKernel:
    """Similarities over one space; `counts` adds the part on operation counts."""

    table: SpaceTable
    counts: bool

    def gram(self, cells: IntArray) -> FloatArray:
        """`(n, n)` similarities among cells `(n,)`."""
        similar = _by_edges(self.table.codes[cells])
        similar += _by_edges(self.table.canonical_codes[cells])
        if self.counts:
            kind = self._count_kinds[1][cells]
            similar += self._count_similarity[np.ix_(kind, kind)]
        return similar

    def spread(self, weights: FloatArray) -> FloatArray:
        """`(size,)`: similarity-weighted sum of `weights` `(size,)` around every cell."""
        canonical = self.table.space.canonical_index()
        folded: FloatArray = np.bincount(canonical, weights, len(weights)).astype(np.float64)
        spread = self._along_edges(weights) + self._along_edges(folded)[canonical]
        if self.counts:
            kinds, kind = self._count_kinds
            per_kind = np.bincount(kind, weights, len(kinds))
            spread += (self._count_similarity @ per_kind)[kind]
        return spread

    @cached_property
    def _half_similarity(self) -> tuple[FloatArray, FloatArray]:
        """Similarities among the first halves and among the second halves of cells."""
        operations = len(self.table.space.operations)
        first, second = (
            _by_edges(np.indices((operations,) * edges).reshape(edges, -1).T)
            for edges in self.table.halves
        )
        return first, second

    def _along_edges(self, weights: FloatArray) -> FloatArray:
        first, second = self._half_similarity
        return self.table.as_cells(first @ self.table.as_matrix(weights) @ second)

    @cached_property
    def _count_kinds(self) -> tuple[IntArray, IntArray]:
        """Distinct operation counts of canonical cells `(kinds, ops)`, and each cell's kind."""
        operations = range(len(self.table.space.operations))
        codes = self.table.canonical_codes
        counts = np.stack([(codes == op).sum(axis=1) for op in operations], axis=1)
        kinds, kind = np.unique(counts, axis=0, return_inverse=True)
        return kinds, kind.reshape(-1)

    @cached_property
    def _count_similarity(self) -> FloatArray:
        """`(kinds, kinds)`; square roots, because the first of an operation matters most."""
        roots = np.sqrt(self._count_kinds[0])
        distance = np.abs(roots[:, None] - roots[None]).sum(axis=2)
        return np.asarray(np.exp(-distance / COUNT_LENGTH), dtype=np.float64)


def _by_edges(codes: IntArray) -> FloatArray:
    """`(n, n)` similarities of cells with codes `(n, edges)`."""
    differing = (codes[:, None, :] != codes[None, :, :]).sum(axis=2)
    return np.asarray(SHARED**differing, dtype=np.float64)
