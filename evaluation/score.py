"""Score the trainings of a search (protocol 2).

The *claimed front* is what a search hands to its user: the trained networks that no other one
beats by measured error and latency. It is scored by truth, which the search never saw. A
network that learned nothing adds no hypervolume, however fast it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from llm_nas.domain import (
    Arch,
    BoolArray,
    Failure,
    FloatArray,
    IntArray,
    Measurement,
    Metric,
)
from llm_nas.errors import RequestError
from llm_nas.evaluation.indicators import (
    REFERENCE_POINT,
    Box,
    bounding_box,
    hypervolume,
    igd_plus,
    non_dominated_mask,
)
from llm_nas.frozen import Frozen

CHECKPOINTS = (12, 24, 36, 60, 120)
"""Trainings after which `hv_at` is told."""
LEVELS = (0.90, 0.95)
"""Shares of the reference front's hypervolume whose price in trainings is told."""
ABOVE_CHANCE = 1.5
"""An accuracy counts when it exceeds this multiple of guessing."""


class ReferenceFront(Protocol):
    """The points all figures of a context are shares of."""

    @property
    def latency_ms(self) -> FloatArray: ...  # noqa: D102
    @property
    def error(self) -> FloatArray: ...  # noqa: D102


class Truth(Protocol):
    """What is known of a context after a search: `llm_nas.evaluation.truth` opens it."""

    @property
    def metric(self) -> Metric: ...  # noqa: D102
    @property
    def chance_error(self) -> float | None: ...  # noqa: D102
    @property
    def reference(self) -> ReferenceFront: ...  # noqa: D102
    def errors(self, archs: Sequence[Arch]) -> FloatArray: ...  # noqa: D102
    def latencies_ms(self, archs: Sequence[Arch]) -> FloatArray: ...  # noqa: D102


class Coverage(Frozen):
    """How much of the ground a search touched, as shares."""

    niches: float
    """Of the niches, those with a trained network."""
    latency_deciles: float
    """Of the reference front's tenths by latency, those the claimed front reaches."""


class Scores(Frozen):
    """The figures of one run; larger is better but for `igd_plus` and `optimism`."""

    hv: float
    """Hypervolume of the re-scored claimed front / that of the reference front."""
    hv_at: dict[str, float]
    """The same after so many trainings; "0": what earlier trainings alone are worth."""
    igd_plus: float | None
    """Of the claimed front to the reference front, normalised; None where nothing counts."""
    optimism: float
    """Mean true error less measured error of the claimed front, in the metric's unit."""
    coverage: Coverage
    trainings_to: dict[str, float | None]
    """Trainings until `hv` first reached a level; None: never."""
    front: tuple[Arch, ...]
    """The claimed front, by latency."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A reference front with the box and volume everything is normalised by."""

    box: Box
    points: FloatArray
    """`(n, 2)` (error, latency) of the reference front, normalised."""
    volume: float

    @classmethod
    def of(cls, reference: ReferenceFront) -> "Scale":
        """The scale of a reference front of (error, latency in ms)."""
        points = np.column_stack((reference.error, reference.latency_ms))
        box = bounding_box(points)
        scaled = box.normalise(points)
        return cls(box, scaled, hypervolume(scaled, REFERENCE_POINT))

    def share(self, points: FloatArray) -> float:
        """Hypervolume of `(n, 2)` (error, latency) points over the reference's; 0 for none."""
        if len(points) == 0:
            return 0.0
        return hypervolume(self.box.normalise(points), REFERENCE_POINT) / self.volume


@dataclass(frozen=True, slots=True)
class Ledger:
    """Trainings in order, beside their truth; reused ones come first and cost nothing."""

    rows: tuple[Measurement, ...]
    measured: FloatArray
    """`(n, 2)` (error, latency in ms) as the search saw them."""
    true: FloatArray
    """`(n, 2)` of the same networks by truth."""
    counts: BoolArray
    """`(n,)`: whether truth knows them as networks that learned something."""
    spent: FloatArray
    """`(n,)` trainings paid when each was known, failures included."""

    @classmethod
    def of(
        cls,
        rows: Sequence[Measurement | Failure],
        truth: Truth,
        reused: Sequence[Measurement] = (),
    ) -> "Ledger":
        """Rows of a run in the order of training; truth is asked once, for all of them."""
        spent = np.cumsum([row.trainings for row in rows]) if rows else np.zeros(0)
        paid = [
            (r, float(s)) for r, s in zip(rows, spent, strict=True) if isinstance(r, Measurement)
        ]
        both = (*reused, *(row for row, _ in paid))
        archs = [row.arch for row in both]
        true = np.column_stack((truth.errors(archs), truth.latencies_ms(archs)))
        values = np.array([row.value for row in both])
        latency = np.array([row.latency_ms for row in both])
        return cls(
            both,
            np.column_stack((truth.metric.errors(values), latency)),
            true,
            np.isfinite(true).all(axis=1)
            & above_chance(truth.metric, truth.chance_error, true[:, 0]),
            np.concatenate((np.zeros(len(reused)), [s for _, s in paid])),
        )

    def front(self, trainings: float | None = None) -> IntArray:
        """Positions of the claimed front after so many trainings (None: all), by latency."""
        upto = len(self.rows) if trainings is None else _within(self.spent, trainings)
        known = np.flatnonzero(np.isfinite(self.measured[:upto]).all(axis=1))
        if known.size == 0:
            return known
        kept = known[non_dominated_mask(self.measured[known])]
        return np.asarray(kept[np.argsort(self.measured[kept, 1], kind="stable")], dtype=np.int64)

    def share(self, scale: Scale, front: IntArray) -> float:
        """`hv` of a claimed front."""
        return scale.share(self.true[front[self.counts[front]]])


def _within(spent: FloatArray, trainings: float) -> int:
    return int(np.searchsorted(spent, trainings + 1e-9, side="right"))


def above_chance(metric: Metric, chance_error: float | None, errors: FloatArray) -> BoolArray:
    """`(n,)`: whether networks learned something.

    An accuracy must exceed 1.5 times guessing; where lower values are better, the value of
    guessing itself must be beaten. Without known chance every network counts.
    """
    if chance_error is None:
        return np.ones(errors.shape, dtype=np.bool_)
    if metric.higher_is_better:
        chance_error = metric.best - ABOVE_CHANCE * (metric.best - chance_error)
    return np.asarray(errors < chance_error, dtype=np.bool_)


def score(
    rows: Sequence[Measurement | Failure],
    truth: Truth,
    *,
    reused: Sequence[Measurement] = (),
    niches: int = 0,
) -> Scores:
    """All figures of a run.

    Args:
        rows: What it trained, in order, failures included.
        truth: Of its context.
        reused: Earlier trainings that it took over for nothing.
        niches: How many niches the space has; 0: coverage of niches is told as 1.

    Raises:
        RequestError: If nothing was trained or reused.
    """
    ledger, scale = Ledger.of(rows, truth, reused), Scale.of(truth.reference)
    front = ledger.front()
    if front.size == 0:
        raise RequestError("no network was trained, so there is no front to score")
    counted = ledger.true[front[ledger.counts[front]]]
    known = front[np.isfinite(ledger.true[front, 0])]
    optimism = ledger.true[known, 0] - ledger.measured[known, 0]
    touched = len({row.niche for row in ledger.rows})
    return Scores(
        hv=scale.share(counted),
        hv_at=_checkpoints(ledger, scale, bool(reused)),
        igd_plus=igd_plus(scale.box.normalise(counted), scale.points) if len(counted) else None,
        optimism=float(optimism.mean()) if optimism.size else 0.0,
        coverage=Coverage(
            niches=touched / niches if niches else 1.0,
            latency_deciles=_deciles(np.asarray(truth.reference.latency_ms), counted[:, 1]),
        ),
        trainings_to=_prices(ledger, scale),
        front=tuple(ledger.rows[int(i)].arch for i in front),
    )


def hv_at(
    rows: Sequence[Measurement | Failure], truth: Truth, reused: Sequence[Measurement] = ()
) -> dict[str, float]:
    """`hv` at the protocol's checkpoints that were reached; "0" where trainings were reused."""
    return _checkpoints(Ledger.of(rows, truth, reused), Scale.of(truth.reference), bool(reused))


def _checkpoints(ledger: Ledger, scale: Scale, warm: bool) -> dict[str, float]:
    total = float(ledger.spent[-1]) if ledger.spent.size else 0.0
    at = ([0] if warm else []) + [k for k in CHECKPOINTS if k <= total + 1e-9]
    return {str(k): ledger.share(scale, ledger.front(k)) for k in at}


def curve(
    rows: Sequence[Measurement | Failure], truth: Truth, reused: Sequence[Measurement] = ()
) -> tuple[tuple[float, float], ...]:
    """(trainings, hv) wherever the claimed front changed."""
    return tuple(_steps(Ledger.of(rows, truth, reused), Scale.of(truth.reference)))


def _steps(ledger: Ledger, scale: Scale) -> list[tuple[float, float]]:
    """(trainings, hv) after each network that joined the claimed front of its moment."""
    found: list[tuple[float, float]] = []
    front = np.zeros(0, dtype=np.int64)
    for i, point in enumerate(ledger.measured):
        held = ledger.measured[front]
        beaten = (held <= point).all(axis=1) & (held < point).any(axis=1)
        if not np.isfinite(point).all() or beaten.any():
            continue
        worse = (point <= held).all(axis=1) & (point < held).any(axis=1)
        front = np.append(front[~worse], i)
        found.append((float(ledger.spent[i]), ledger.share(scale, front)))
    return found


def _prices(ledger: Ledger, scale: Scale) -> dict[str, float | None]:
    steps = _steps(ledger, scale)
    return {
        f"{level:.2f}": next((n for n, share in steps if share >= level), None) for level in LEVELS
    }


def _deciles(reference_ms: FloatArray, claimed_ms: FloatArray) -> float:
    """Share of the reference front's tenths by latency that hold a claimed network.

    Tenths without a member of the reference front, which small fronts have, do not count.
    """
    edges = np.quantile(reference_ms, np.linspace(0.0, 1.0, 11))
    reachable = np.unique(_decile(edges, reference_ms))
    inside = claimed_ms[(claimed_ms >= edges[0]) & (claimed_ms <= edges[-1])]
    return np.intersect1d(_decile(edges, inside), reachable).size / reachable.size


def _decile(edges: FloatArray, latency_ms: FloatArray) -> npt.NDArray[np.intp]:
    return np.searchsorted(edges[1:-1], latency_ms, side="right")
