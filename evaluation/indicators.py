"""Quality indicators of sets of points, all objectives minimised.

moocore does the arithmetic. It answers an empty set with a perfect IGD and keeps NaN rows as
non-dominated, so every function here refuses such input *before* the call.
"""

from dataclasses import dataclass

import moocore  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import numpy.typing as npt

from llm_nas.domain import BoolArray, FloatArray
from llm_nas.errors import RequestError

REFERENCE_POINT = (1.1, 1.1)
"""Hypervolume reference of the protocol, in units of the reference front's box."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box in objective space; `low` maps to 0 and `high` to 1."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def normalise(self, points: FloatArray) -> FloatArray:
        """`(n, m)` points in units of the box; along a flat side, in the objective's unit."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        extent = np.where(high > low, high - low, 1.0)
        return np.asarray((points - low) / extent, dtype=np.float64)


def bounding_box(points: npt.ArrayLike) -> Box:
    """The smallest box around `(n, m)` points: for a front, its ideal and nadir."""
    checked = checked_points(points)
    return Box(tuple(checked.min(axis=0).tolist()), tuple(checked.max(axis=0).tolist()))


def checked_points(points: npt.ArrayLike, name: str = "points") -> FloatArray:
    """The points as a `(n, m)` float array.

    Raises:
        RequestError: If the array is empty, not two-dimensional, or not finite.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] == 0:
        raise RequestError(f"{name} must be a non-empty (n, m) array, got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        bad = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise RequestError(f"{name} must be finite, row {bad} is {array[bad].tolist()}")
    return array


def hypervolume(points: npt.ArrayLike, ref: npt.ArrayLike) -> float:
    """Volume dominated by `(n, m)` points up to `ref` `(m,)`; larger is better.

    Points that do not strictly dominate `ref` contribute nothing.

    Raises:
        RequestError: For empty or non-finite points or a reference point of another dimension.
    """
    checked = checked_points(points)
    corner = checked_points(np.atleast_2d(np.asarray(ref, dtype=np.float64)), "reference point")[0]
    if corner.size != checked.shape[1]:
        raise RequestError(
            f"reference point has {corner.size} objectives, points have {checked.shape[1]}"
        )
    return float(moocore.hypervolume(checked, ref=corner))


def igd_plus(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """IGD that only counts shortfalls, max(a - z, 0) per objective (Ishibuchi et al. 2015).

    Raises:
        RequestError: For empty or non-finite sets or sets of different dimension.
    """
    found, front = checked_points(points), checked_points(reference, "reference set")
    if found.shape[1] != front.shape[1]:
        raise RequestError(
            f"points have {found.shape[1]} objectives but the reference set has {front.shape[1]}"
        )
    return float(moocore.igd_plus(found, ref=front))


def non_dominated_mask(points: npt.ArrayLike) -> BoolArray:
    """`(n,)`: which points no other point dominates; equal points are all kept.

    Keeping equal points makes the result independent of their order.

    Raises:
        RequestError: For empty or non-finite points.
    """
    mask = moocore.is_nondominated(checked_points(points), keep_weakly=True)
    return np.asarray(mask, dtype=np.bool_)
