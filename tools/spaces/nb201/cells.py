"""NAS-Bench-201's cells: four nodes, six edges, five operations (Dong & Yang, ICLR 2020).

A string such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|` lists, node by node, the
operation on each incoming edge. Row numbers follow the benchmark (NATS-Bench-TSS); they number
the rows of its tables and are used nowhere else.
"""

import random
import re
from functools import cache
from itertools import combinations

import numpy as np

from llm_nas.domain import Arch, BoolArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.legal import Codes

OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NODES = 4
EDGE_ENDS = tuple(combinations(range(NODES), 2))
"""(source, target) of each edge, nodes counted from 0."""
EDGES = tuple(f"{source + 1}>{target + 1}" for source, target in EDGE_ENDS)
SIZE = 15_625
"""Five operations on six edges."""
SKIP, NONE, CONV3, CONV1, POOL = range(len(OPERATIONS))
PATHS = ((2,), (0, 4), (1, 5), (0, 3, 5))
"""Edge positions of the four paths from node 1 (input) to node 4 (output)."""

_STRING_ORDER = (0, 1, 3, 2, 4, 5)
"""Edge position of each operation in the order the string lists them."""
_SOURCES = ((0,), (0, 1), (0, 1, 2))
_TOKEN = re.compile(r"([a-z0-9_]{1,32})~([0-2])")
_BENCHMARK_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_BENCHMARK_SHUFFLE_SEED = 88
"""NATS-Bench lists all strings in counting order, then shuffles them with this seed."""
_LONGEST_STRING = 256
_RADIX = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]


@cache
def benchmark_codes() -> IntArray:
    """Operation codes of all cells in benchmark order, `(15625, 6)`, read-only."""
    listed = list(range(SIZE))
    random.Random(_BENCHMARK_SHUFFLE_SEED).shuffle(listed)
    digits = np.indices((len(OPERATIONS),) * len(EDGES)).reshape(len(EDGES), -1).T[listed]
    codes = np.empty(digits.shape, dtype=np.int64)
    codes[:, list(_STRING_ORDER)] = np.array([OPERATIONS.index(o) for o in _BENCHMARK_OPS])[digits]
    codes.setflags(write=False)
    return codes


@cache
def _row_of_number() -> IntArray:
    """Benchmark row of every cell, by its codes read as a number of base five."""
    rows = np.empty(SIZE, dtype=np.int64)
    rows[benchmark_codes() @ _RADIX] = np.arange(SIZE)
    return rows


def rows_of(codes: IntArray) -> IntArray:
    """Benchmark row of cells, `(n,)` from `(n, 6)` codes."""
    return np.asarray(_row_of_number()[codes @ _RADIX], dtype=np.int64)


def index_of(arch: Arch) -> int:
    """Benchmark row of a cell."""
    return int(rows_of(np.array([read(arch)]))[0])


@cache
def all_archs() -> tuple[Arch, ...]:
    """The strings of all cells in benchmark order."""
    return tuple(written(tuple(codes)) for codes in benchmark_codes().tolist())


def arch_at(index: int) -> Arch:
    """The cell in a benchmark row."""
    if not 0 <= index < SIZE:
        raise RequestError(f"row {index} of NAS-Bench-201: expected 0..{SIZE - 1}")
    return all_archs()[index]


def live_edges(codes: IntArray) -> BoolArray:
    """Edges on a path from input to output without `none`, `(n, 6)`."""
    live = np.zeros(codes.shape, dtype=np.bool_)
    for path in PATHS:
        intact = np.all(codes[:, path] != NONE, axis=1)
        live[np.ix_(intact, path)] = True
    return live


def twins(codes: IntArray) -> IntArray:
    """The same networks with every operation that no path uses set to `none`, `(n, 6)`."""
    return np.where(live_edges(codes), codes, NONE)


@cache
def _twin_of_string() -> dict[Arch, Arch]:
    archs, rows = all_archs(), rows_of(twins(benchmark_codes()))
    return {arch: archs[row] for arch, row in zip(archs, rows.tolist(), strict=True)}


def twin_of(arch: Arch) -> Arch:
    """The canonical twin of a cell's string."""
    return _twin_of_string()[arch]


def written(codes: Codes) -> Arch:
    """The benchmark's string of a cell."""
    operations = iter(OPERATIONS[codes[edge]] for edge in _STRING_ORDER)
    return "+".join(
        "|" + "".join(f"{next(operations)}~{source}|" for source in sources)
        for sources in _SOURCES
    )


@cache
def _codes_of_string() -> dict[str, Codes]:
    return {
        arch: tuple(c) for arch, c in zip(all_archs(), benchmark_codes().tolist(), strict=True)
    }


def read(text: str) -> Codes:
    """The cell a benchmark string spells; `RequestError` says what is wrong with it."""
    known = _codes_of_string().get(text)
    return _parsed(text) if known is None else known


def _parsed(text: str) -> Codes:
    text = "".join(text.split()) if len(text) <= _LONGEST_STRING else text
    if len(text) > _LONGEST_STRING:
        raise RequestError(f"architecture string of {len(text)} characters is too long")
    groups = text.split("+")
    if len(groups) != len(_SOURCES):
        raise RequestError(f"arch {text!r}: expected 3 nodes joined by '+', got {len(groups)}")
    listed: list[int] = []
    for sources, group in zip(_SOURCES, groups, strict=True):
        for source, token in zip(sources, _tokens(text, group, len(sources)), strict=True):
            listed.append(_operation(text, token, source))
    return tuple(listed[_STRING_ORDER.index(edge)] for edge in range(len(EDGES)))


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
