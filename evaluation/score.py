"""Score the cells a search evaluated (protocol 1).

The *claimed front* is what a search would hand to its user: the evaluated cells that no other
evaluated cell dominates by predicted accuracy and latency. It is scored with test accuracies.
Once re-scored its points may dominate each other; hypervolume and IGD+ take that as it is, so a
claim that turns out bad costs nothing but the place it took. Cells at chance level are no
networks: they add no hypervolume, however fast. Distances are defined for them and count.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llm_nas.domain import Coverage, FloatArray, Frozen, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.front import REFERENCE_POINT, UNIT_POINT
from llm_nas.evaluation.indicators import (
    hypervolume,
    igd,
    igd_plus,
    non_dominated_mask,
    objectives,
)
from llm_nas.evaluation.truth import TruthContext

Indices = Sequence[int] | IntArray


class Scores(Frozen):
    """The figures of one run; all but `igd`, `igd_plus` and `optimism` are better when larger."""

    hv: float
    """Hypervolume of the re-scored claimed front / that of the true front."""
    hv_ceiling: float
    """The same when every cell is scored by the predictor."""
    igd: float
    igd_plus: float
    """Of the re-scored claimed front to the true front, in normalised units."""
    unit_hv: float
    """Hypervolume in the box of the whole space, reference (1, 1) / that of the true front."""
    optimism: float
    """Predicted minus true relative hypervolume of the claimed front."""
    coverage: Coverage
    front: tuple[int, ...]
    """Benchmark indices of the claimed front, by latency."""


def claimed_front(
    latency_ms: FloatArray, predicted_pct: FloatArray, evaluated: Indices
) -> IntArray:
    """Evaluated cells non-dominated by predicted accuracy and latency, by latency.

    Cells without a latency cannot be claimed.

    Raises:
        RequestError: If no evaluated cell has a latency, an index is out of range, or the
            prediction of an evaluated cell is not finite.
    """
    cells = usable_cells(latency_ms, evaluated)
    mask = non_dominated_mask(objectives(predicted_pct[cells], latency_ms[cells]))
    front = cells[mask]
    return front[np.argsort(latency_ms[front], kind="stable")]


def relative_hv(context: TruthContext, indices: Indices) -> float:
    """Hypervolume of cells by test accuracy / that of the true front; 0 for an empty set."""
    cells = np.asarray(indices, dtype=np.int64)
    cells = cells[context.eligible[cells]]
    if cells.size == 0:
        return 0.0
    points = context.box.normalise(context.points(cells))
    return hypervolume(points, REFERENCE_POINT) / context.true_hv


def relative_unit_hv(context: TruthContext, indices: Indices) -> float:
    """The same in the box of the whole space with reference (1, 1)."""
    cells = np.asarray(indices, dtype=np.int64)
    cells = cells[context.eligible[cells]]
    if cells.size == 0:
        return 0.0
    points = context.unit_box.normalise(context.points(cells))
    return hypervolume(points, UNIT_POINT) / context.true_unit_hv


def ceiling(context: TruthContext, predicted_pct: FloatArray) -> float:
    """`hv` of a search that asked for every cell: the limit the predictor sets."""
    everything = np.flatnonzero(np.isfinite(context.latency_ms))
    return relative_hv(context, claimed_front(context.latency_ms, predicted_pct, everything))


def score(
    context: TruthContext,
    evaluated: Indices,
    predicted_pct: FloatArray,
    niche_labels: IntArray | None = None,
    *,
    hv_ceiling: float | None = None,
) -> Scores:
    """All figures of a run from the cells it evaluated.

    Args:
        context: The truth.
        evaluated: Benchmark indices of the evaluated cells.
        predicted_pct: `(size,)` predicted accuracy in %.
        niche_labels: `(size,)` position of each cell's niche (`Partition.labels`); without it
            the whole space is one niche.
        hv_ceiling: Known value of `ceiling`, which depends on the predictor alone.

    Raises:
        RequestError: If nothing usable was evaluated or a table has the wrong length.
    """
    if predicted_pct.shape != context.latency_ms.shape:
        raise RequestError(
            f"predictions have shape {predicted_pct.shape}, the context {context.latency_ms.shape}"
        )
    front = claimed_front(context.latency_ms, predicted_pct, evaluated)
    points = context.box.normalise(context.points(front))
    hv = relative_hv(context, front)
    return Scores(
        hv=hv,
        hv_ceiling=ceiling(context, predicted_pct) if hv_ceiling is None else hv_ceiling,
        igd=igd(points, context.front_points),
        igd_plus=igd_plus(points, context.front_points),
        unit_hv=relative_unit_hv(context, front),
        optimism=_predicted_hv(context, predicted_pct, front) - hv,
        coverage=coverage(context, evaluated, front, niche_labels),
        front=tuple(front.tolist()),
    )


def hv_at_k(context: TruthContext, finalists: Indices, validation_pct: FloatArray) -> float:
    """`hv` after the finalists were trained: their front by validation accuracy, re-scored.

    Raises:
        RequestError: If no finalist has a latency or one lacks a validation accuracy.
    """
    return relative_hv(context, claimed_front(context.latency_ms, validation_pct, finalists))


def coverage(
    context: TruthContext,
    evaluated: Indices,
    front: IntArray,
    niche_labels: IntArray | None = None,
) -> Coverage:
    """Share of niches with an evaluated cell, and of the true front's latency deciles reached.

    Deciles that hold no cell of the true front, which small fronts have, do not count.
    """
    labels = np.zeros(context.latency_ms.shape, np.int64) if niche_labels is None else niche_labels
    cells = usable_cells(context.latency_ms, evaluated)
    niches = np.unique(labels[cells]).size / np.unique(labels).size
    true_latency = context.latency_ms[context.front]
    edges = np.quantile(true_latency, np.linspace(0.0, 1.0, 11))
    reachable = np.unique(_decile(edges, true_latency))
    claimed = front[context.eligible[front]]
    latency = context.latency_ms[claimed]
    inside = latency[(latency >= edges[0]) & (latency <= edges[-1])]
    reached = np.intersect1d(_decile(edges, inside), reachable)
    return Coverage(niches=float(niches), latency_deciles=reached.size / reachable.size)


def _decile(edges: FloatArray, latency_ms: FloatArray) -> npt.NDArray[np.intp]:
    return np.searchsorted(edges[1:-1], latency_ms, side="right")


def _predicted_hv(context: TruthContext, predicted_pct: FloatArray, front: IntArray) -> float:
    points = objectives(predicted_pct[front], context.latency_ms[front])
    return hypervolume(context.box.normalise(points), REFERENCE_POINT) / context.true_hv


def usable_cells(latency_ms: FloatArray, evaluated: Indices) -> IntArray:
    """Unique evaluated cells that have a latency, sorted.

    Raises:
        RequestError: If there is none or an index is out of range.
    """
    cells = np.unique(np.asarray(evaluated, dtype=np.int64))
    if cells.size and (cells[0] < 0 or cells[-1] >= latency_ms.size):
        raise RequestError(
            f"cell index outside 0..{latency_ms.size - 1}: {cells[[0, -1]].tolist()}"
        )
    cells = cells[np.isfinite(latency_ms[cells])]
    if cells.size == 0:
        raise RequestError("no evaluated cell has a latency, so there is no front to score")
    return cells
