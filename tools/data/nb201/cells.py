"""The rows of the NAS-Bench-201 tables: 15,625 cells in benchmark order, by text.

A text such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|` lists, node by node, the operation
on each incoming edge. Row numbers follow NATS-Bench-TSS; they are used in this folder only.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from llm_nas.domain import Arch, IntArray
from llm_nas.errors import RequestError

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
DEVICES = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NONE = OPERATIONS.index("none")
EDGES = 6
SIZE = len(OPERATIONS) ** EDGES
PATHS = ((2,), (0, 4), (1, 5), (0, 3, 5))
"""Edges (1>2, 1>3, 1>4, 2>3, 2>4, 3>4) of the four paths from a cell's input to its output."""

_STRING_ORDER = (0, 1, 3, 2, 4, 5)
"""Edge of each operation in the order the text lists them."""
_SOURCES = ((0,), (0, 1), (0, 1, 2))
_BENCHMARK_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_BENCHMARK_SHUFFLE_SEED = 88
"""NATS-Bench lists all texts in counting order, then shuffles them with this seed."""


@cache
def codes() -> IntArray:
    """Operation codes (positions in `OPERATIONS`) of all cells, `(15625, 6)`, read-only."""
    listed = list(range(SIZE))
    random.Random(_BENCHMARK_SHUFFLE_SEED).shuffle(listed)
    digits = np.indices((len(OPERATIONS),) * EDGES).reshape(EDGES, -1).T[listed]
    found = np.empty(digits.shape, dtype=np.int64)
    found[:, list(_STRING_ORDER)] = np.array([OPERATIONS.index(o) for o in _BENCHMARK_OPS])[digits]
    found.setflags(write=False)
    return found


@cache
def texts() -> tuple[Arch, ...]:
    """Text of every cell, in benchmark order."""
    return tuple(_text(cell) for cell in codes().tolist())


def _text(cell: Sequence[int]) -> Arch:
    operations = iter(OPERATIONS[cell[edge]] for edge in _STRING_ORDER)
    nodes = (
        "".join(f"{next(operations)}~{source}|" for source in sources) for sources in _SOURCES
    )
    return "+".join(f"|{node}" for node in nodes)


@cache
def row_of() -> Mapping[Arch, int]:
    """Row of every text."""
    return {text: row for row, text in enumerate(texts())}


def rows(archs: Sequence[Arch]) -> IntArray:
    """Rows of architectures, `(n,)`; `RequestError` for a text that is no cell."""
    known = row_of()
    try:
        return np.array([known[arch] for arch in archs], dtype=np.int64)
    except KeyError as error:
        raise RequestError(f"arch {error.args[0]!r}: no cell of NAS-Bench-201") from None


def live(cells: IntArray) -> IntArray:
    """1 where an edge lies on a path without `none`, `(n, 6)` from codes `(n, 6)`."""
    found = np.zeros_like(cells)
    for path in PATHS:
        intact = np.all(cells[:, path] != NONE, axis=1)
        found[np.ix_(intact, path)] = 1
    return found


@cache
def canonical_rows() -> IntArray:
    """Row of every cell's canonical twin, `(15625,)`; 9,445 cells are their own."""
    radix = len(OPERATIONS) ** np.arange(EDGES)[::-1]
    row_of_number = np.empty(SIZE, dtype=np.int64)
    row_of_number[codes() @ radix] = np.arange(SIZE)
    return row_of_number[np.where(live(codes()) == 1, codes(), NONE) @ radix]
