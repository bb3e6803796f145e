"""Numbers that describe a cell's structure, for models that learn from few measured cells.

Computed on the canonical twin, so that cells that are the same network look the same:
one-hot operations per edge, operation counts, operation counts per input-output path, the
depth in convolutions of the deepest path, the shortcuts past them, and the logarithm of the
convolutions' weights. Blocks are scaled to comparable distances.
"""

from functools import lru_cache

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.tools.space import NONE, OPERATIONS, PATHS, NasBench201

_CONVS = (OPERATIONS.index("nor_conv_3x3"), OPERATIONS.index("nor_conv_1x1"))
_SKIP = OPERATIONS.index("skip_connect")
_LIVE_OPS = tuple(op for op in range(len(OPERATIONS)) if op != NONE)
_COUNT_SCALE, _PATH_SCALE, _DEPTH_SCALE = 2.0, 1.5, 1.5


def live_paths(codes: IntArray) -> BoolArray:
    """Which of the input-output paths are not cut by `none`, `(n, paths)`."""
    return np.stack([np.all(codes[:, path] != NONE, axis=1) for path in PATHS], axis=1)


def _path_counts(codes: IntArray, live: BoolArray) -> FloatArray:
    """Per path: is it live, and how often each operation stands on it; `(n, 5 * paths)`."""
    columns: list[FloatArray] = []
    for position, path in enumerate(PATHS):
        alive = live[:, position].astype(np.float64)
        columns.append(alive)
        columns += [np.sum(codes[:, path] == op, axis=1) * alive / _PATH_SCALE for op in _LIVE_OPS]
    return np.stack(columns, axis=1)


def _depths(codes: IntArray, live: BoolArray) -> FloatArray:
    """Convolutions and 3x3 convolutions on the deepest path, and live paths; `(n, 3)`."""

    def deepest(ops: tuple[int, ...]) -> IntArray:
        on_path = [np.isin(codes[:, p], ops).sum(axis=1) * live[:, i] for i, p in enumerate(PATHS)]
        return np.asarray(np.max(np.stack(on_path, axis=1), axis=1), dtype=np.int64)

    columns = [deepest(_CONVS), deepest(_CONVS[:1]), live.sum(axis=1)]
    return np.stack(columns, axis=1) / _DEPTH_SCALE


def _shortcuts(codes: IntArray, live: BoolArray) -> FloatArray:
    """Convolutions on the shallowest live path; is there one without any; a bare one; `(n, 3)`.

    A bare path is nothing but `skip_connect`: a residual connection around the whole cell.
    """
    on_path = np.stack([np.isin(codes[:, p], _CONVS).sum(axis=1) for p in PATHS], axis=1)
    bare = np.stack([np.all(codes[:, p] == _SKIP, axis=1) for p in PATHS], axis=1)
    shallowest = np.where(live, on_path, len(OPERATIONS)).min(axis=1)
    shallowest = np.where(live.any(axis=1), shallowest, 0)
    free = (live & (on_path == 0)).any(axis=1)
    columns = [shallowest / _DEPTH_SCALE, free, bare.any(axis=1)]
    return np.stack(columns, axis=1).astype(np.float64)


def _log_weights(codes: IntArray) -> FloatArray:
    """Logarithm of one plus the convolutions' kernel weights per channel pair, `(n, 1)`."""
    weights = sum(
        area * (codes == op).sum(axis=1) for op, area in zip(_CONVS, (9, 1), strict=True)
    )
    return np.log1p(np.asarray(weights, dtype=np.float64))[:, None]


@lru_cache(maxsize=4)
def structure_features(space: NasBench201) -> FloatArray:
    """Features of every cell of the space, `(size, 62)`, read-only."""
    codes = space.codes()[space.canonical_index()]
    live = live_paths(codes)
    one_hot = np.eye(len(OPERATIONS))[codes].reshape(len(codes), -1)
    counts = np.stack([np.sum(codes == op, axis=1) for op in range(len(OPERATIONS))], axis=1)
    blocks = [one_hot, counts / _COUNT_SCALE, _path_counts(codes, live), _depths(codes, live)]
    features = np.concatenate([*blocks, _shortcuts(codes, live), _log_weights(codes)], axis=1)
    features.setflags(write=False)
    return features


def connected(space: NasBench201) -> BoolArray:
    """Cells with at least one path from input to output, `(size,)`."""
    return np.asarray(live_paths(space.codes()).any(axis=1), dtype=np.bool_)
