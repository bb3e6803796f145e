"""The truth of one context, opened only here and only after a search."""

import math
from dataclasses import dataclass

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.errors import DataError, RequestError
from llm_nas.evaluation.front import TrueFront, context_digest, true_front
from llm_nas.evaluation.indicators import Box, objectives
from llm_nas.evaluation.reference import ReferenceEntry, load_reference
from llm_nas.ports import Benchmark

FROZEN = "frozen reference"
ON_THE_FLY = "computed on the fly"
TOLERANCE = 1e-6
"""How far recomputed figures may lie from frozen ones: what storing tables as text may lose."""


@dataclass(frozen=True, slots=True)
class TruthContext:
    """Everything needed to score a set of cells of one dataset and device.

    All tables are `(size,)` and read-only; points are (error in %, latency in ms).
    """

    dataset: str
    test_accuracy_pct: FloatArray
    latency_ms: FloatArray
    eligible: BoolArray
    """Cells with a latency and a test accuracy above 1.5 x chance."""
    front: IntArray
    """Benchmark indices of the true front, by latency."""
    box: Box
    """Ideal and nadir of the true front."""
    true_hv: float
    unit_box: Box
    """The box of all cells with a latency."""
    true_unit_hv: float
    origin: str
    """Where the normalisation comes from: `frozen reference`, or `computed on the fly` and why."""

    @property
    def front_points(self) -> FloatArray:
        """`(k, 2)`: the true front in normalised units, by latency."""
        return self.box.normalise(self.points(self.front))

    def points(self, indices: IntArray) -> FloatArray:
        """`(n, 2)`: true error in % and latency in ms of these cells."""
        return objectives(self.test_accuracy_pct[indices], self.latency_ms[indices])


def open_context(benchmark: Benchmark, dataset: str, latency_ms: FloatArray) -> TruthContext:
    """Open the truth for a dataset and a `(size,)` latency table (NaN where unknown).

    Known tables are normalised by the frozen reference; surrogate tables and users' own devices
    have their true front computed on the fly, and `origin` says so.

    Raises:
        RequestError: If the table has another length than the benchmark, or no cell qualifies.
        DataError: If a known context does not reproduce its frozen figures.
    """
    accuracy = benchmark.truth(dataset).test_accuracy_pct()
    if latency_ms.shape != accuracy.shape:
        raise RequestError(
            f"latency table has shape {latency_ms.shape}, the benchmark {accuracy.shape}"
        )
    front = true_front(dataset, accuracy, latency_ms)
    entry = load_reference().find(context_digest(dataset, accuracy, latency_ms))
    if entry is None:
        origin = f"{ON_THE_FLY} from {benchmark.source}, not a {FROZEN}"
    else:
        _check(entry, front)
        origin = FROZEN
    return context_of(dataset, accuracy, latency_ms, front, origin)


def context_of(
    dataset: str,
    test_accuracy_pct: FloatArray,
    latency_ms: FloatArray,
    front: TrueFront,
    origin: str = ON_THE_FLY,
) -> TruthContext:
    """A context from tables already at hand."""
    return TruthContext(
        dataset=dataset,
        test_accuracy_pct=_read_only(test_accuracy_pct),
        latency_ms=_read_only(latency_ms),
        eligible=front.eligible,
        front=front.indices,
        box=front.box,
        true_hv=front.hv,
        unit_box=front.unit_box,
        true_unit_hv=front.unit_hv,
        origin=origin,
    )


def _read_only(table: FloatArray) -> FloatArray:
    copy = np.array(table, dtype=np.float64)
    copy.setflags(write=False)
    return copy


def _check(entry: ReferenceEntry, front: TrueFront) -> None:
    """Refuse to print figures on another scale than the frozen one."""
    frozen = (*entry.ideal, *entry.nadir, *entry.unit_low, *entry.unit_high)
    found = (*front.box.low, *front.box.high, *front.unit_box.low, *front.unit_box.high)
    pairs = zip(
        (*frozen, entry.true_hv, entry.true_unit_hv),
        (*found, front.hv, front.unit_hv),
        strict=True,
    )
    same = all(math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for a, b in pairs)
    if not same or entry.front != tuple(front.indices.tolist()):
        raise DataError(
            f"true front of {entry.dataset}/{entry.device} differs from the frozen reference; "
            "the tables or the indicator library changed"
        )
