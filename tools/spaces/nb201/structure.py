"""What can be computed from a NAS-Bench-201 cell's drawing: depths, paths, weights, work.

Features describe the canonical twin, so that cells that are the same network look the same:
one-hot operations per edge, operation counts, counts per input-output path, the depth in
convolutions of the deepest path, the shortcuts past them, and the logarithm of the weights.
Blocks are scaled to comparable distances.
"""

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray, TaskShape
from llm_nas.ports import QuantityInfo
from llm_nas.tools.spaces.nb201.cells import (
    CONV1,
    CONV3,
    NONE,
    OPERATIONS,
    PATHS,
    SKIP,
    live_edges,
    twins,
)

CHANNELS = 16
CELLS_PER_STAGE = 5
STAGES = 3
_LIVE_OPS = tuple(op for op in range(len(OPERATIONS)) if op != NONE)
_COUNT_SCALE, _PATH_SCALE, _DEPTH_SCALE = 2.0, 1.5, 1.5

QUANTITIES = (
    QuantityInfo("params_m", "M", "parameters"),
    QuantityInfo("macs_m", "M", "multiply-adds of convolutions and classifier"),
    QuantityInfo("dead_edges", "", "edges on no path from input to output", whole=True),
    QuantityInfo("live_paths", "", "paths from input to output without none", whole=True),
    QuantityInfo("depth", "", "convolutions on the deepest path", whole=True),
    QuantityInfo("depth_3x3", "", "3x3 convolutions on the path with most of them", whole=True),
    QuantityInfo("log_weights", "", "logarithm of 1 + convolution weights per channel pair"),
    *(
        QuantityInfo(f"on_path:{op}", "", f"1 where a path from input to output uses {op}", True)
        for op in (OPERATIONS[code] for code in _LIVE_OPS)
    ),
)


def quantities(codes: IntArray, shape: TaskShape) -> FloatArray:
    """`(n, len(QUANTITIES))` of cells `(n, 6)` in the benchmark's network for this shape."""
    live, paths = live_edges(codes), _live_paths(codes)
    columns = [
        *_params_and_macs(codes, shape),
        np.sum(~live, axis=1),
        paths.sum(axis=1),
        _deepest(codes, paths, (CONV3, CONV1)),
        _deepest(codes, paths, (CONV3,)),
        _log_weights(codes),
        *(np.any(live & (codes == op), axis=1) for op in _LIVE_OPS),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _params_and_macs(codes: IntArray, shape: TaskShape) -> tuple[FloatArray, FloatArray]:
    """In millions, `(n,)` each, with the benchmark's conventions.

    Every convolution counts, on a path or not; the classifier's bias counts as work, batch norms
    and pools do not. A reduction block (two 3x3 convolutions, a pooled 1x1) opens later stages.
    """
    threes, ones = (codes == CONV3).sum(axis=1), (codes == CONV1).sum(axis=1)
    height, width = shape.height, shape.width
    params = np.full(len(codes), 9.0 * shape.channels * CHANNELS + 2 * CHANNELS)
    macs = np.full(len(codes), 9.0 * shape.channels * CHANNELS * height * width)
    for stage in range(STAGES):
        wide = CHANNELS * 2**stage
        weights = CELLS_PER_STAGE * (9 * threes + ones) * wide**2
        norms = CELLS_PER_STAGE * (threes + ones) * 2 * wide
        if stage:
            height, width = -(-height // 2), -(-width // 2)
            weights = weights + (9 * wide // 2 + 9 * wide + wide // 2) * wide
            norms = norms + 4 * wide
        params += weights + norms
        macs += weights * float(height * width)
    wide = CHANNELS * 2 ** (STAGES - 1)
    classifier = (wide + 1) * shape.classes
    return (params + 2 * wide + classifier) / 1e6, (macs + classifier) / 1e6


def features(codes: IntArray) -> FloatArray:
    """`(n, 62)` of cells `(n, 6)`."""
    codes = twins(codes)
    live = _live_paths(codes)
    one_hot = np.eye(len(OPERATIONS))[codes].reshape(len(codes), codes.shape[1] * len(OPERATIONS))
    counts = np.stack([np.sum(codes == op, axis=1) for op in range(len(OPERATIONS))], axis=1)
    depths = [_deepest(codes, live, (CONV3, CONV1)), _deepest(codes, live, (CONV3,))]
    deep = np.stack([*depths, live.sum(axis=1)], axis=1) / _DEPTH_SCALE
    blocks = [one_hot, counts / _COUNT_SCALE, _path_counts(codes, live), deep]
    blocks += [_shortcuts(codes, live), _log_weights(codes)[:, None]]
    return np.concatenate(blocks, axis=1)


def _live_paths(codes: IntArray) -> BoolArray:
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


def _deepest(codes: IntArray, live: BoolArray, ops: tuple[int, ...]) -> IntArray:
    """How many of some operations stand on the live path that has most of them, `(n,)`."""
    on_path = [np.isin(codes[:, p], ops).sum(axis=1) * live[:, i] for i, p in enumerate(PATHS)]
    return np.asarray(np.max(np.stack(on_path, axis=1), axis=1), dtype=np.int64)


def _shortcuts(codes: IntArray, live: BoolArray) -> FloatArray:
    """Convolutions on the shallowest live path; is there one without any; a bare one; `(n, 3)`.

    A bare path is nothing but `skip_connect`: a residual connection around the whole cell.
    """
    on_path = np.stack([np.isin(codes[:, p], (CONV3, CONV1)).sum(axis=1) for p in PATHS], axis=1)
    bare = np.stack([np.all(codes[:, p] == SKIP, axis=1) for p in PATHS], axis=1)
    shallowest = np.where(live, on_path, len(OPERATIONS)).min(axis=1)
    shallowest = np.where(live.any(axis=1), shallowest, 0)
    free = (live & (on_path == 0)).any(axis=1)
    columns = [shallowest / _DEPTH_SCALE, free, bare.any(axis=1)]
    return np.stack(columns, axis=1).astype(np.float64)


def _log_weights(codes: IntArray) -> FloatArray:
    """Logarithm of one plus the convolutions' kernel weights per channel pair, `(n,)`."""
    weights = 9 * (codes == CONV3).sum(axis=1) + (codes == CONV1).sum(axis=1)
    return np.asarray(np.log1p(weights.astype(np.float64)), dtype=np.float64)
