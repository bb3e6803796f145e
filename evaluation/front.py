"""The true front of a context and the boxes its figures are normalised by (protocol 1).

A *context* is a dataset and a device: `(size,)` test accuracies and latencies of every cell.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.indicators import (
    MARGIN,
    Box,
    bounding_box,
    hypervolume,
    non_dominated_mask,
    objectives,
)

CHANCE_PCT = {"cifar10": 100 / 10, "cifar100": 100 / 100, "ImageNet16-120": 100 / 120}
"""Accuracy of guessing, in %."""

ABOVE_CHANCE = 1.5
"""A cell counts as a network when its test accuracy exceeds this multiple of chance."""

REFERENCE_POINT = (1.0 + MARGIN, 1.0 + MARGIN)
"""Hypervolume reference in units of the true front's box."""

UNIT_POINT = (1.0, 1.0)
"""Hypervolume reference in units of the whole space's box."""


@dataclass(frozen=True, slots=True)
class TrueFront:
    """What is exactly known of a context."""

    eligible: BoolArray
    """`(size,)`: cells with a latency and a test accuracy above 1.5 x chance."""
    indices: IntArray
    """Cells of the true front, by latency."""
    box: Box
    """Ideal and nadir of the true front: (error in %, latency in ms)."""
    hv: float
    """Hypervolume of the true front in its own box, reference (1.1, 1.1)."""
    unit_box: Box
    """The box of all cells with a latency, trained or not."""
    unit_hv: float
    """Hypervolume of the true front in `unit_box`, reference (1, 1)."""


def eligible_mask(
    dataset: str, test_accuracy_pct: FloatArray, latency_ms: FloatArray
) -> BoolArray:
    """`(size,)`: which cells may stand on a true front.

    Raises:
        RequestError: For an unknown dataset, or when no cell qualifies.
    """
    if dataset not in CHANCE_PCT:
        raise RequestError(
            f"dataset {dataset!r} has no known chance level; known: {[*CHANCE_PCT]}"
        )
    known = np.isfinite(latency_ms) & np.isfinite(test_accuracy_pct)
    mask = known & (test_accuracy_pct > ABOVE_CHANCE * CHANCE_PCT[dataset])
    if not mask.any():
        raise RequestError(f"no cell has a latency and an accuracy above chance on {dataset}")
    return np.asarray(mask, dtype=np.bool_)


def true_front(dataset: str, test_accuracy_pct: FloatArray, latency_ms: FloatArray) -> TrueFront:
    """The true front of a context from `(size,)` tables.

    Raises:
        RequestError: For an unknown dataset, or when no cell qualifies.
    """
    eligible = eligible_mask(dataset, test_accuracy_pct, latency_ms)
    points = objectives(test_accuracy_pct, latency_ms)
    candidates = np.flatnonzero(eligible)
    front = candidates[non_dominated_mask(points[candidates])]
    front = front[np.argsort(latency_ms[front], kind="stable")]
    known = np.isfinite(points).all(axis=1)
    unit_box = _spread(bounding_box(points[known]))
    box = _spread(bounding_box(points[front]), bounding_box(points[eligible]))
    return TrueFront(
        eligible=eligible,
        indices=front.astype(np.int64),
        box=box,
        hv=hypervolume(box.normalise(points[front]), REFERENCE_POINT),
        unit_box=unit_box,
        unit_hv=hypervolume(unit_box.normalise(points[front]), UNIT_POINT),
    )


def _spread(box: Box, wider: Box | None = None) -> Box:
    """The box, with flat sides stretched to those of `wider`, or to one % or ms.

    A front of a single cell has no extent to normalise by, nor has a device of constant latency.
    """
    high = list(box.high)
    for i, (a, b) in enumerate(zip(box.low, box.high, strict=True)):
        if b > a:
            continue
        high[i] = wider.high[i] if wider is not None and wider.high[i] > a else a + 1.0
    return Box(box.low, tuple(high))


def context_digest(dataset: str, test_accuracy_pct: FloatArray, latency_ms: FloatArray) -> str:
    """SHA-256 of the two tables of a context, rounded to 1e-6 so that storage does not matter."""
    digest = hashlib.sha256(dataset.encode())
    for table in (test_accuracy_pct, latency_ms):
        rounded = np.round(np.asarray(table, dtype=np.float64), 6) + 0.0
        digest.update(np.where(np.isnan(rounded), -1.0, rounded).astype("<f8").tobytes())
    return digest.hexdigest()
