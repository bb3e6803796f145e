"""Structural features of a cell: its operations, and what its input-output paths compute.

All are functions of the canonical twin, so cells that compute the same function look the same.
`skip_connect` is the identity and drops out of a path; `none` cuts it. What is left of each path
is a short sequence such as `nor_conv_3x3, avg_pool_3x3`; how often each sequence occurs is the
path encoding of White et al. (BANANAS, AAAI 2021) with the identity removed.
"""

from dataclasses import dataclass

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.ports import SearchSpace

IDENTITY, CUT = "skip_connect", "none"
_CONVOLUTION = "conv"


@dataclass(frozen=True, slots=True)
class Block:
    """Columns `start:stop` of a structure matrix that share a length scale."""

    start: int
    stop: int
    weight: float
    """Squared inverse length scale in the Gaussian process; 0 leaves the block to the trees."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Structural features of all cells."""

    values: FloatArray
    """`(size, d)`."""
    names: tuple[str, ...]
    blocks: tuple[Block, ...]


def paths(edges: tuple[str, ...]) -> list[list[int]]:
    """Edge positions of every path from the first to the last node of edges named `a>b`.

    Empty when the names are not of that form: the space is no graph of nodes.
    """
    ends = [edge.split(">") for edge in edges]
    if not all(len(e) == 2 and all(node.isdigit() for node in e) for e in ends):
        return []
    pairs = [(int(a), int(b)) for a, b in ends]
    first, last = min(a for a, _ in pairs), max(b for _, b in pairs)

    def onward(node: int) -> list[list[int]]:
        if node == last:
            return [[]]
        return [
            [position, *rest]
            for position, (a, b) in enumerate(pairs)
            if a == node
            for rest in onward(b)
        ]

    return onward(first)


def structure_of(space: SearchSpace) -> Structure:
    """Counts and depths, per-path operation counts, path sequences and one-hot edges."""
    codes = space.codes()[space.canonical_index()]
    one_hot, edge_names = _one_hot(space, codes)
    counts = np.stack([np.sum(codes == op, axis=1) for op in range(len(space.operations))], axis=1)
    count_names = [f"count:{op}" for op in space.operations]
    routes = paths(space.edges)
    live, lengths = _live(space, codes, routes)
    summary, summary_names = _summary(live, lengths)
    sequences, sequence_names = _sequences(space, codes, routes, live)
    per_path, path_names = _per_path(space, codes, routes, live)
    groups = [
        (np.hstack([counts, summary]), count_names + summary_names, 0.15),
        (sequences, sequence_names, 0.02),
        (per_path, path_names, 0.02),
        (one_hot, edge_names, 0.0),
    ]
    groups = [group for group in groups if group[0].shape[1]]
    stops = np.cumsum([values.shape[1] for values, _, _ in groups]).tolist()
    starts = [0, *stops[:-1]]
    blocks = [
        Block(start, stop, weight)
        for start, stop, (_, _, weight) in zip(starts, stops, groups, strict=True)
    ]
    names = [name for _, group, _ in groups for name in group]
    values = np.hstack([values for values, _, _ in groups]).astype(np.float64)
    return Structure(values, tuple(names), tuple(blocks))


def _one_hot(space: SearchSpace, codes: IntArray) -> tuple[FloatArray, list[str]]:
    values = np.eye(len(space.operations))[codes].reshape(len(codes), -1)
    return values, [f"{edge}={op}" for edge in space.edges for op in space.operations]


def _is_convolution(space: SearchSpace) -> BoolArray:
    return np.array([_CONVOLUTION in op for op in space.operations], dtype=np.bool_)


def _live(
    space: SearchSpace, codes: IntArray, routes: list[list[int]]
) -> tuple[BoolArray, IntArray]:
    """Per path `(size, paths)`: whether nothing cuts it, and how many convolutions it has."""
    if not routes or CUT not in space.operations:
        return np.zeros((len(codes), 0), np.bool_), np.zeros((len(codes), 0), np.int64)
    cut, convolution = space.operations.index(CUT), _is_convolution(space)
    live = np.stack([np.all(codes[:, route] != cut, axis=1) for route in routes], axis=1)
    lengths = [convolution[codes[:, route]].sum(axis=1) for route in routes]
    return np.asarray(live, np.bool_), np.asarray(np.stack(lengths, axis=1), np.int64)


def _summary(live: BoolArray, lengths: IntArray) -> tuple[FloatArray, list[str]]:
    """Number of live paths, of convolutions on them, and the deepest and shallowest of them."""
    if not live.shape[1]:
        return np.zeros((len(live), 0)), []
    longest = lengths.max() + 1
    deepest = np.where(live, lengths, -1).max(axis=1)
    shallowest = np.where(live, lengths, longest).min(axis=1)
    on_paths = (lengths * live).sum(axis=1)
    identities = (live & (lengths == 0)).sum(axis=1)
    columns = [live.sum(axis=1), on_paths, deepest, shallowest, identities]
    names = ["paths", "path convolutions", "depth", "shortcut depth", "paths without convolution"]
    return np.column_stack(columns).astype(np.float64), names


def _sequences(
    space: SearchSpace, codes: IntArray, routes: list[list[int]], live: BoolArray
) -> tuple[FloatArray, list[str]]:
    """How many live paths reduce to each sequence of operations; only sequences that occur."""
    if not live.shape[1]:
        return np.zeros((len(codes), 0)), []
    base = len(space.operations) + 1
    keys = np.full(live.shape, -1, dtype=np.int64)
    for column, route in enumerate(routes):
        key = np.zeros(len(codes), dtype=np.int64)
        for edge in route:
            kept = codes[:, edge] != space.operations.index(IDENTITY)
            key = np.where(kept, key * base + codes[:, edge] + 1, key)
        keys[:, column] = np.where(live[:, column], key, -1)
    found = [int(key) for key in np.unique(keys) if key >= 0]
    values = np.stack([np.sum(keys == key, axis=1) for key in found], axis=1)
    return values.astype(np.float64), [_spell(space, key) for key in found]


def _spell(space: SearchSpace, key: int) -> str:
    base, operations = len(space.operations) + 1, list[str]()
    while key:
        key, digit = divmod(key, base)
        operations.insert(0, space.operations[digit - 1])
    return "path:" + (",".join(operations) or "identity")


def _per_path(
    space: SearchSpace, codes: IntArray, routes: list[list[int]], live: BoolArray
) -> tuple[FloatArray, list[str]]:
    """For every path: whether it is live, and the count of each operation on it, -1 if cut."""
    columns: list[FloatArray] = []
    names: list[str] = []
    counted = [op for op in space.operations if op not in (IDENTITY, CUT)]
    for column in range(live.shape[1]):
        route, alive = routes[column], live[:, column]
        label = "+".join(space.edges[edge] for edge in route)
        columns.append(alive.astype(np.float64))
        names.append(f"{label} live")
        for op in counted:
            number = np.sum(codes[:, route] == space.operations.index(op), axis=1)
            columns.append(np.where(alive, number, -1).astype(np.float64))
            names.append(f"{label} {op}")
    return np.column_stack(columns) if columns else np.zeros((len(codes), 0)), names
