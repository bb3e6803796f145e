"""Choose the finalists a user would train: `hv@k` looks up their validation accuracy.

Sees what the search saw, predicted accuracy and latency, and never the truth's normalisation.
"""

import moocore  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.front import REFERENCE_POINT
from llm_nas.evaluation.indicators import (
    bounding_box,
    hypervolume_gains,
    non_dominated_mask,
    objectives,
)
from llm_nas.evaluation.score import Indices, usable_cells

FINALISTS = 20
"""k of the protocol's hv@k."""


def choose_finalists(
    latency_ms: FloatArray,
    predicted_pct: FloatArray,
    evaluated: Indices,
    k: int = FINALISTS,
    *,
    upper_pct: FloatArray | None = None,
) -> IntArray:
    """Up to `k` evaluated cells worth training, most valuable first, `(<= k,)`.

    The claimed front comes first. What places are left go to cells behind it that may be on the
    front after all: at the upper end of their interval no cell as fast is predicted better. Cells
    that cannot are not trained. docs/predictor.md compares this with other rules.

    Args:
        latency_ms: `(size,)`.
        predicted_pct: `(size,)`.
        evaluated: Benchmark indices.
        k: How many at most.
        upper_pct: `(size,)` upper ends of the predictions' intervals; None: there is no telling,
            and every cell may be better than predicted by any amount.

    Raises:
        RequestError: If `k` is below 1 or no evaluated cell has a latency.
    """
    if k < 1:
        raise RequestError(f"finalists: {k} is below 1")
    cells = usable_cells(latency_ms, evaluated)
    points = objectives(predicted_pct[cells], latency_ms[cells])
    front = non_dominated_mask(points)
    behind = ~front
    if upper_pct is not None:
        behind &= _hopeful(latency_ms[cells], predicted_pct[cells], upper_pct[cells])
    claimed, hopeful = np.flatnonzero(front), np.flatnonzero(behind)
    first = claimed[by_layers(points[claimed], k)]
    then = hopeful[by_layers(points[hopeful], k - len(first))]
    return np.asarray(cells[np.concatenate([first, then])], dtype=np.int64)


def _hopeful(
    latency_ms: FloatArray, predicted_pct: FloatArray, upper_pct: FloatArray
) -> BoolArray:
    """Whose upper end is above the prediction of every cell that is no slower, `(n,)`."""
    order = np.argsort(latency_ms, kind="stable")
    best = np.maximum.accumulate(predicted_pct[order])
    no_slower = np.searchsorted(latency_ms[order], latency_ms, side="right") - 1
    return np.asarray(upper_pct > best[no_slower], dtype=np.bool_)


def by_layers(points: FloatArray, k: int) -> IntArray:
    """Positions of up to `k` of `(n, 2)` minimised points, most valuable first, `(<= k,)`.

    Non-dominated layers in order; inside a layer the point that adds most hypervolume comes next,
    so that a layer is thinned where it is dense. Gains are in the first layer's box.
    """
    if k < 1 or not len(points):
        return np.array([], dtype=np.int64)
    layers = moocore.pareto_rank(points)
    scaled = bounding_box(points[layers == 0]).normalise(points)
    chosen: list[int] = []
    for layer in range(int(layers.max()) + 1):
        if len(chosen) == k:
            break
        chosen += _by_gain(scaled, np.flatnonzero(layers == layer), k - len(chosen))
    return np.array(chosen, dtype=np.int64)


def _by_gain(scaled: FloatArray, layer: IntArray, count: int) -> list[int]:
    """Up to `count` members of a layer, each the one that adds most to those before it."""
    pool, chosen = layer.tolist(), list[int]()
    front = np.array([REFERENCE_POINT])
    while pool and len(chosen) < count:
        gains = hypervolume_gains(front, scaled[pool], REFERENCE_POINT)
        chosen.append(pool.pop(int(np.argmax(gains))))
        front = np.vstack((front, scaled[chosen[-1]]))
    return chosen
