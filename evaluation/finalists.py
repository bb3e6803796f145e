"""Choose the finalists a user would train: `hv@k` looks up their validation accuracy.

Sees what the search saw, predicted accuracy and latency, and never the truth's normalisation.
"""

import moocore  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.front import REFERENCE_POINT
from llm_nas.evaluation.indicators import bounding_box, hypervolume_gains, objectives
from llm_nas.evaluation.score import Indices, usable_cells

FINALISTS = 20
"""k of the protocol's hv@k."""


def choose_finalists(
    latency_ms: FloatArray, predicted_pct: FloatArray, evaluated: Indices, k: int = FINALISTS
) -> IntArray:
    """Up to `k` evaluated cells worth training, most valuable first, `(<= k,)`.

    Non-dominated layers by predicted accuracy and latency are taken in order; inside a layer
    the cell that adds most predicted hypervolume comes next, so a front of more than `k` cells
    is thinned where its cells are closest. Alternatives that hedge against prediction noise
    (expected hypervolume over noisy copies) scored no better; see docs/protocol.md.

    Raises:
        RequestError: If `k` is below 1 or no evaluated cell has a latency.
    """
    if k < 1:
        raise RequestError(f"finalists: {k} is below 1")
    cells = usable_cells(latency_ms, evaluated)
    points = objectives(predicted_pct[cells], latency_ms[cells])
    layers = moocore.pareto_rank(points)
    scaled = bounding_box(points[layers == 0]).normalise(points)
    chosen: list[int] = []
    for layer in range(int(layers.max()) + 1):
        if len(chosen) == k:
            break
        chosen += _by_gain(scaled, np.flatnonzero(layers == layer), k - len(chosen))
    return cells[chosen]


def _by_gain(scaled: FloatArray, layer: IntArray, count: int) -> list[int]:
    """Up to `count` members of a layer, each the one that adds most to those before it."""
    pool, chosen = layer.tolist(), list[int]()
    front = np.array([REFERENCE_POINT])
    while pool and len(chosen) < count:
        gains = hypervolume_gains(front, scaled[pool], REFERENCE_POINT)
        chosen.append(pool.pop(int(np.argmax(gains))))
        front = np.vstack((front, scaled[chosen[-1]]))
    return chosen
