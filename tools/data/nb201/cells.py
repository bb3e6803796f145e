"""The rows of the NAS-Bench-201 tables: 15,625 cells in benchmark order, by text.

Row numbers follow NATS-Bench-TSS; they are used in this folder only.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from llm_nas.domain import Arch, IntArray
from llm_nas.errors import RequestError
from llm_nas.tools.registry import known
from llm_nas.tools.spaces.nb201 import cells

SPACE_NAME = "nb201"
DATASETS, DEVICES = known()[SPACE_NAME].tasks, known()[SPACE_NAME].devices
SIZE, OPERATIONS = cells.SIZE, cells.OPERATIONS
codes, texts = cells.benchmark_codes, cells.all_archs
"""Operation codes of all cells, `(15625, 6)`, and their texts."""


@cache
def row_of() -> Mapping[Arch, int]:
    """Row of every text."""
    return {text: row for row, text in enumerate(texts())}


def rows(archs: Sequence[Arch]) -> IntArray:
    """Rows of architectures, `(n,)`; `RequestError` for a text that is no cell."""
    known_rows = row_of()
    try:
        return np.array([known_rows[arch] for arch in archs], dtype=np.int64)
    except KeyError as error:
        raise RequestError(f"arch {error.args[0]!r}: no cell of NAS-Bench-201") from None


@cache
def canonical_rows() -> IntArray:
    """Row of every cell's canonical twin, `(15625,)`; 9,445 cells are their own."""
    return cells.rows_of(cells.twins(codes()))
