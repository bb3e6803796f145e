"""NAS-Bench-201: 15,625 cells of four nodes, six edges, five operations (Dong & Yang, ICLR 2020).

A string such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|` lists, node by node, the
operation on each incoming edge. Indices follow the benchmark (NATS-Bench-TSS); they are the
numbering of every array in the project.
"""

import random
import re
from functools import cache

import numpy as np

from llm_nas.claims import CellFacts
from llm_nas.domain import Cell, IntArray
from llm_nas.errors import RequestError

OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
EDGES = ("1>2", "1>3", "1>4", "2>3", "2>4", "3>4")
NONE = OPERATIONS.index("none")

PATHS = ((2,), (0, 4), (1, 5), (0, 3, 5))
"""Edge positions of the four paths from node 1 (input) to node 4 (output)."""
_STRING_ORDER = (0, 1, 3, 2, 4, 5)
"""Edge position of each operation in the order the string lists them."""
_NODE_OF_TOKEN = ((0,), (0, 1), (0, 1, 2))
_TOKEN = re.compile(r"([a-z0-9_]{1,32})~([0-2])")
_BENCHMARK_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_BENCHMARK_SHUFFLE_SEED = 88
"""NATS-Bench lists all strings in counting order, then shuffles them with this seed."""
_LONGEST_STRING = 256


def _benchmark_order() -> IntArray:
    """Op codes of all cells in benchmark order, `(15625, 6)`."""
    listed = list(range(len(OPERATIONS) ** len(EDGES)))
    random.Random(_BENCHMARK_SHUFFLE_SEED).shuffle(listed)
    digits = np.indices((len(OPERATIONS),) * len(EDGES)).reshape(len(EDGES), -1).T[listed]
    codes = np.empty(digits.shape, dtype=np.int64)
    codes[:, list(_STRING_ORDER)] = np.array([OPERATIONS.index(o) for o in _BENCHMARK_OPS])[digits]
    codes.setflags(write=False)
    return codes


def _live_edges(codes: IntArray) -> IntArray:
    """1 where an edge lies on a path without `none`, `(n, 6)` from `(n, 6)` codes."""
    live = np.zeros_like(codes)
    for path in PATHS:
        intact = np.all(codes[:, path] != NONE, axis=1)
        live[np.ix_(intact, path)] = 1
    return live


class NasBench201:
    """The NAS-Bench-201 space; implements `llm_nas.ports.SearchSpace`."""

    name = "nasbench201"
    edges = EDGES
    operations = OPERATIONS
    size = len(OPERATIONS) ** len(EDGES)

    def __init__(self) -> None:
        self._codes = _benchmark_order()
        radix = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
        index_of_number = np.empty(self.size, dtype=np.int64)
        index_of_number[self._codes @ radix] = np.arange(self.size)
        self._index_of_number: list[int] = index_of_number.tolist()
        self._live = _live_edges(self._codes)
        canonical = np.where(self._live == 1, self._codes, NONE)
        self._canonical = index_of_number[canonical @ radix]
        self._canonical.setflags(write=False)

    def parse(self, arch: str) -> Cell:
        """The cell a benchmark string spells; `RequestError` says what is wrong with it."""
        text = arch.strip()
        if len(text) > _LONGEST_STRING:
            raise RequestError(f"architecture string of {len(text)} characters is too long")
        codes: dict[int, int] = {}
        groups = text.split("+")
        if len(groups) != len(_NODE_OF_TOKEN):
            raise RequestError(f"arch {text!r}: expected 3 nodes joined by '+', got {len(groups)}")
        position = 0
        for sources, group in zip(_NODE_OF_TOKEN, groups, strict=True):
            for source, token in zip(sources, _tokens(text, group, len(sources)), strict=True):
                codes[_STRING_ORDER[position]] = _operation(text, token, source)
                position += 1
        return tuple(codes[edge] for edge in range(len(EDGES)))

    def format(self, cell: Cell) -> str:
        """The benchmark string of a cell."""
        self._check(cell)
        ops = iter(OPERATIONS[cell[edge]] for edge in _STRING_ORDER)
        return "+".join(
            "|" + "".join(f"{next(ops)}~{source}|" for source in sources)
            for sources in _NODE_OF_TOKEN
        )

    def index(self, cell: Cell) -> int:
        """Benchmark index of a cell."""
        self._check(cell)
        number = 0
        for operation in cell:
            number = number * len(OPERATIONS) + int(operation)
        return self._index_of_number[number]

    def cell(self, index: int) -> Cell:
        """The cell with this benchmark index."""
        if not 0 <= index < self.size:
            raise RequestError(f"cell index {index}: expected 0..{self.size - 1}")
        return tuple(self._codes[index].tolist())

    def codes(self) -> IntArray:
        """Operation codes of all cells, `(15625, 6)`, read-only."""
        return self._codes

    def canonical_index(self) -> IntArray:
        """Index of every cell's canonical twin, `(15625,)`; 9,445 cells are their own."""
        return self._canonical

    def canonical(self, cell: Cell) -> Cell:
        """The same network with every operation that no path uses set to `none`."""
        return self.cell(int(self._canonical[self.index(cell)]))

    def neighbours(self, cell: Cell) -> list[Cell]:
        """The 24 cells one edge away, ordered by edge, then operation code."""
        self._check(cell)
        return [
            (*cell[:edge], op, *cell[edge + 1 :])
            for edge in range(len(EDGES))
            for op in range(len(OPERATIONS))
            if op != cell[edge]
        ]

    def facts(self, cell: Cell) -> CellFacts:
        """What conditions may ask of a cell."""
        live: list[int] = self._live[self.index(cell)].tolist()
        return CellFacts(
            op_at={edge: OPERATIONS[op] for edge, op in zip(EDGES, cell, strict=True)},
            ops_on_paths=frozenset(
                OPERATIONS[op] for op, used in zip(cell, live, strict=True) if used
            ),
            dead_edges=len(EDGES) - sum(live),
        )

    def _check(self, cell: Cell) -> None:
        if len(cell) != len(EDGES) or not all(0 <= op < len(OPERATIONS) for op in cell):
            raise RequestError(f"cell {cell}: expected {len(EDGES)} codes of 0..4")


def _tokens(arch: str, group: str, count: int) -> list[str]:
    parts = group.split("|")
    if len(parts) != count + 2 or parts[0] or parts[-1]:
        raise RequestError(f"arch {arch!r}: node {group!r} needs {count} edges between '|'")
    return parts[1:-1]


def _operation(arch: str, token: str, source: int) -> int:
    match = _TOKEN.fullmatch(token)
    if match is None or int(match[2]) != source or match[1] not in OPERATIONS:
        known = ", ".join(OPERATIONS)
        raise RequestError(f"arch {arch!r}: {token!r} is not '<op>~{source}' with op in {known}")
    return OPERATIONS.index(match[1])


@cache
def nas_bench_201() -> NasBench201:
    """The one shared instance (it is immutable)."""
    return NasBench201()
