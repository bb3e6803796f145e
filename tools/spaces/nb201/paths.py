"""Features of what a cell's input-output paths compute, for models trained on many labels.

All are functions of the canonical twin, so cells that compute the same function look the same.
`skip_connect` is the identity and drops out of a path; `none` cuts it. What is left of each path
is a short sequence such as `nor_conv_3x3, avg_pool_3x3`; how often each sequence occurs is the
path encoding of White et al. (BANANAS, AAAI 2021) with the identity removed.
"""

from itertools import product

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.tools.spaces.nb201.cells import CONV1, CONV3, NONE, OPERATIONS, PATHS, SKIP

_KEPT = tuple(op for op in range(len(OPERATIONS)) if op not in (SKIP, NONE))
_LONGEST = 3
_WEIGHTS = (0.15, 0.02, 0.02, 0.0)
"""Squared inverse length scale of each block; chosen on tuning seeds. Trees see all."""


def path_blocks(codes: IntArray) -> list[tuple[FloatArray, float]]:
    """Blocks of features with the weight each has in a Gaussian process.

    Counts and depths, path sequences, operations per path, one-hot edges.

    Args:
        codes: `(n, 6)`, operations of canonical cells.
    """
    live = np.stack([np.all(codes[:, path] != NONE, axis=1) for path in PATHS], axis=1)
    counts = np.stack([np.sum(codes == op, axis=1) for op in range(len(OPERATIONS))], axis=1)
    one_hot = np.eye(len(OPERATIONS))[codes].reshape(len(codes), -1)
    blocks = (
        np.hstack([counts, _summary(codes, live)]),
        _sequences(codes, live),
        _per_path(codes, live),
        one_hot,
    )
    return [
        (np.asarray(block, dtype=np.float64), weight)
        for block, weight in zip(blocks, _WEIGHTS, strict=True)
    ]


def _summary(codes: IntArray, live: BoolArray) -> FloatArray:
    """Live paths, convolutions on them, deepest and shallowest, those without a convolution."""
    convolution = np.isin(codes, (CONV3, CONV1))
    lengths = np.stack([convolution[:, path].sum(axis=1) for path in PATHS], axis=1)
    columns = (
        live.sum(axis=1),
        (lengths * live).sum(axis=1),
        np.where(live, lengths, -1).max(axis=1),
        np.where(live, lengths, _LONGEST + 1).min(axis=1),
        (live & (lengths == 0)).sum(axis=1),
    )
    return np.column_stack(columns).astype(np.float64)


def _sequences(codes: IntArray, live: BoolArray) -> FloatArray:
    """How many live paths reduce to each sequence of up to three operations, `(n, 40)`."""
    base = len(_KEPT) + 3
    keys = np.full(live.shape, -1, dtype=np.int64)
    for column, path in enumerate(PATHS):
        key = np.zeros(len(codes), dtype=np.int64)
        for edge in path:
            key = np.where(codes[:, edge] == SKIP, key, key * base + codes[:, edge] + 1)
        keys[:, column] = np.where(live[:, column], key, -1)
    spelled: list[int] = []
    for length in range(_LONGEST + 1):
        for sequence in product(_KEPT, repeat=length):
            spelled.append(sum((op + 1) * base**i for i, op in enumerate(reversed(sequence))))
    return np.stack([np.sum(keys == key, axis=1) for key in spelled], axis=1).astype(np.float64)


def _per_path(codes: IntArray, live: BoolArray) -> FloatArray:
    """For every path: whether it is live, and the count of each operation on it, -1 if cut."""
    columns: list[FloatArray] = []
    for column, path in enumerate(PATHS):
        alive = live[:, column]
        columns.append(alive.astype(np.float64))
        for op in _KEPT:
            number = np.sum(codes[:, path] == op, axis=1)
            columns.append(np.where(alive, number, -1).astype(np.float64))
    return np.column_stack(columns)
