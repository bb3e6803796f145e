"""Pictures of several runs: attainment surfaces, and hypervolume against evaluations."""

from collections.abc import Sequence

import moocore  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.indicators import checked_points
from llm_nas.evaluation.score import Indices, claimed_front, relative_hv
from llm_nas.evaluation.truth import TruthContext


def attainment_surface(fronts: Sequence[FloatArray], percentile: float = 50.0) -> FloatArray:
    """Points attained by at least this share of the runs, `(k, 2)`, by the first objective.

    The corner points of the empirical attainment function (Grunert da Fonseca, Fonseca & Hall
    2001); 50 is the median surface, 100 what every run attained.

    Raises:
        RequestError: If there is no front, one is empty, or the percentile is outside (0, 100].
    """
    if not fronts or not 0.0 < percentile <= 100.0:
        raise RequestError(f"attainment: {len(fronts)} fronts, percentile {percentile}")
    points = np.vstack([checked_points(front) for front in fronts])
    runs = np.repeat(np.arange(len(fronts)), [len(front) for front in fronts])
    surface = np.asarray(moocore.eaf(points, runs, percentiles=[percentile]), dtype=np.float64)
    corners = surface[:, :2]
    return np.asarray(corners[np.lexsort((corners[:, 1], corners[:, 0]))], dtype=np.float64)


def hv_curve(
    context: TruthContext, evaluated: Indices, predicted_pct: FloatArray, at: Sequence[int]
) -> FloatArray:
    """`hv` of the claimed front after each of `at` evaluations, `(len(at),)`.

    Raises:
        RequestError: If a number is below 1 or above the number of evaluations.
    """
    cells = np.asarray(evaluated, dtype=np.int64)
    if any(not 1 <= n <= cells.size for n in at):
        raise RequestError(f"checkpoints {list(at)} outside 1..{cells.size}")
    latency = context.latency_ms
    values = [relative_hv(context, claimed_front(latency, predicted_pct, cells[:n])) for n in at]
    return np.asarray(values, dtype=np.float64)
