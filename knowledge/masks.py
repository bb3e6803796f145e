"""Conditions as boolean masks over a whole space, and the pairs of cells they tell apart.

A *matched pair* of a condition is two cells that differ on exactly one edge and of which
exactly one meets the condition. The effect of a claim is the mean, over all matched pairs of
cells inside its scope, of the objective with the condition minus without it. Cells without
any input-output path are no use to anybody and are left out of that mean.
"""

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, TypeAlias, TypeVar, assert_never

import numpy as np
import numpy.typing as npt

from llm_nas.claims import (
    AllOf,
    AnyOf,
    Condition,
    DeadEdges,
    Not,
    OpAt,
    OpCount,
    OpOnPath,
    Relation,
)
from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.ports import SearchSpace

_COUNTS = np.float32
_Counts: TypeAlias = npt.NDArray[np.float32]
"""Whole numbers of pairs, far below 2^24, so exact, and twice as fast to multiply as float64."""
_Kind = TypeVar("_Kind", bound=np.generic)

LARGEST_SPACE = 200_000
"""Spaces above this many cells are not enumerated."""


def _compare(values: IntArray, relation: Relation, bound: int) -> BoolArray:
    match relation:
        case "eq":
            return np.asarray(values == bound)
        case "ge":
            return np.asarray(values >= bound)
        case "le":
            return np.asarray(values <= bound)
        case _:
            assert_never(relation)


@dataclass(frozen=True, eq=False)
class SpaceTable:
    """What conditions ask of every cell of a space, as arrays."""

    space: SearchSpace

    @cached_property
    def codes(self) -> IntArray:
        """`(size, edges)` operation codes."""
        return self.space.codes()

    @cached_property
    def canonical_codes(self) -> IntArray:
        """`(size, edges)`: codes of the canonical twins, dead edges set to none."""
        return self.codes[self.space.canonical_index()]

    @cached_property
    def live(self) -> BoolArray:
        """`(size, edges)`: edges that some input-output path uses.

        Dead edges are the ones canonicalisation sets to its filler operation; the filler
        is whatever it changes edges to.
        """
        changed = self.canonical_codes != self.codes
        filler = self.canonical_codes[changed]
        if filler.size == 0:
            return np.ones(self.codes.shape, dtype=np.bool_)
        return np.asarray(self.canonical_codes != filler[0])

    @cached_property
    def connected(self) -> BoolArray:
        """`(size,)`: cells with at least one live edge."""
        return np.asarray(self.live.any(axis=1))

    @cached_property
    def halves(self) -> tuple[int, int]:
        """Edges in the first and in the second half: the space as a matrix, half by half.

        Sums along edges then are two small matrix products instead of passes over a grid.
        """
        edges = len(self.space.edges)
        return edges // 2, edges - edges // 2

    @cached_property
    def order(self) -> IntArray:
        """`(size,)`: the cells in the order of that matrix, row by row."""
        operations, edges = len(self.space.operations), len(self.space.edges)
        return np.argsort(self.codes @ operations ** np.arange(edges)[::-1])

    def as_matrix(self, values: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
        """`(size,)` values as `(ops**first half, ops**second half)`."""
        rows = len(self.space.operations) ** self.halves[0]
        return values[self.order].reshape(rows, -1)

    def as_cells(self, matrix: npt.NDArray[np.floating[Any]]) -> FloatArray:
        """The inverse of `as_matrix`."""
        values = np.empty(matrix.size)
        values[self.order] = matrix.reshape(-1)
        return values

    @cached_property
    def _lines(self) -> tuple[_Counts, _Counts]:
        """Per half: how many edges' lines a pair of half-cells shares (all for equal ones)."""
        first, second = (_shared_lines(len(self.space.operations), n) for n in self.halves)
        return first, second

    def _along_lines(self, matrix: _Counts) -> _Counts:
        """Sum over every edge's line through each cell, itself once per edge."""
        first, second = self._lines
        return np.asarray(first @ matrix + matrix @ second, dtype=_COUNTS)

    @cached_property
    def _op_counts(self) -> IntArray:
        """`(ops, size)`: how often a cell holds an operation."""
        return np.stack([(self.codes == op).sum(axis=1) for op in self._op_codes])

    @cached_property
    def _ops_on_paths(self) -> BoolArray:
        """`(ops, size)`: whether a cell holds an operation on a live edge."""
        return np.stack([((self.codes == op) & self.live).any(axis=1) for op in self._op_codes])

    @cached_property
    def _dead_edges(self) -> IntArray:
        """`(size,)`."""
        return np.asarray((~self.live).sum(axis=1))

    @property
    def _op_codes(self) -> range:
        return range(len(self.space.operations))

    def _code(self, operation: str) -> int:
        """Code of an operation, -1 (which no cell holds) for one the space lacks."""
        operations = self.space.operations
        return operations.index(operation) if operation in operations else -1

    def _knows(self, operation: str) -> bool:
        return operation in self.space.operations

    def _edge_holds(self, edge: str, operation: str) -> BoolArray:
        if edge not in self.space.edges:
            return np.zeros(len(self.codes), dtype=np.bool_)
        column = self.codes[:, self.space.edges.index(edge)]
        return np.asarray(column == self._code(operation), dtype=np.bool_)

    def mask(self, condition: Condition) -> BoolArray:
        """`(size,)`: which cells meet the condition; the same answer as `claims.matches`."""
        match condition:
            case OpAt(edge=edge, op=op):
                return self._edge_holds(edge, op)
            case OpCount(op=op, relation=relation, count=count):
                held = self._op_counts[self._code(op)] * self._knows(op)
                return _compare(held, relation, count)
            case OpOnPath(op=op):
                on_path = self._ops_on_paths[self._code(op)]
                return np.asarray(on_path & self._knows(op), dtype=np.bool_)
            case DeadEdges(relation=relation, count=count):
                return _compare(self._dead_edges, relation, count)
            case AllOf(parts=parts):
                return np.asarray(reduce(np.logical_and, map(self.mask, parts)), dtype=np.bool_)
            case AnyOf(parts=parts):
                return np.asarray(reduce(np.logical_or, map(self.mask, parts)), dtype=np.bool_)
            case Not(part=part):
                return ~self.mask(part)
            case _:
                assert_never(condition)

    def pair_weights(self, mask: BoolArray, inside: BoolArray) -> tuple[FloatArray, int]:
        """Signed weight of every cell in the mean over matched pairs, and the number of pairs.

        A cell that meets the condition counts +1 per partner, one that does not -1 per
        partner, so `weights @ y / pairs` is the mean difference. Both `(size,)` masks.
        """
        have = self.as_matrix(mask & inside).astype(_COUNTS)
        lack = self.as_matrix(~mask & inside).astype(_COUNTS)
        partners = have * self._along_lines(lack)
        weights = self.as_cells(partners - lack * self._along_lines(have))
        return np.rint(weights), round(float(partners.sum(dtype=np.float64)))

    def true_effect(
        self, condition: Condition, inside: BoolArray, values: FloatArray
    ) -> float | None:
        """Mean of `values` `(size,)` over matched pairs of cells inside; None without a pair.

        Cells whose value is NaN take no part.
        """
        usable = inside & self.connected & np.isfinite(values)
        weights, pairs = self.pair_weights(self.mask(condition), usable)
        return float(weights @ np.where(usable, values, 0.0)) / pairs if pairs else None

    def neighbour_pairs(self, cells: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Positions `(p,)`, `(p,)` in `cells` `(n,)` of all pairs one edge apart, and the edge.

        Cells must be distinct; each pair is listed once.
        """
        codes = self.codes[cells]
        differs = codes[:, None, :] != codes[None, :, :]
        first, second = np.nonzero(np.triu(differs.sum(axis=2) == 1))
        return first, second, differs[first, second].argmax(axis=1)


def _shared_lines(operations: int, edges: int) -> _Counts:
    """`(ops**edges, ops**edges)`: on how many edges two half-cells alone may differ.

    All `edges` for equal ones, 1 for those one edge apart, 0 otherwise.
    """
    codes = np.indices((operations,) * edges).reshape(edges, -1).T
    differing = (codes[:, None, :] != codes[None, :, :]).sum(axis=2)
    shared = np.select([differing == 0, differing == 1], [float(edges), 1.0], 0.0)
    return np.asarray(shared, dtype=_COUNTS)
