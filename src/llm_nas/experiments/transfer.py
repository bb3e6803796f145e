"""Transfer: what trainings made for one context are worth in another.

Accuracy does not depend on the device, so a second device can start from a store that holds the
first one's trainings. For every ordered pair of contexts: a search of the target without a store
(cold) and one with the store that a search of the source left (warm), with the same seed and
budget.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from llm_nas.domain import ContextName, SearchReport, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.experiments.compare import shown
from llm_nas.experiments.engine import run_tasks
from llm_nas.experiments.methods import run_search
from llm_nas.experiments.rows import RowLog
from llm_nas.experiments.setting import truth_of
from llm_nas.frozen import Frozen

SOURCE_SEED = 1_000
"""Added to a target's seed for its source, so that both share no noise."""


class TransferPlan(Frozen):
    """Everything that determines an experiment's rows."""

    contexts: tuple[ContextName, ...]
    seeds: tuple[int, ...]
    trainings: int = 12
    source_trainings: int = 60
    data_dir: Path | None = None

    @property
    def pairs(self) -> list[tuple[ContextName, ContextName]]:
        """(source, target) of one space, in order."""
        return [(a, b) for a, b in permutations(self.contexts, 2) if a.space == b.space]


class TransferSettings(Frozen):
    """What all rows of a directory have in common."""

    trainings: int
    source_trainings: int


class TransferRow(Frozen):
    """One pair and seed."""

    source: str
    target: str
    seed: int
    hv_cold: float
    hv_warm: float
    """After the target's own trainings, both."""
    at: dict[str, float]
    """Warm `hv` by trainings of the target; "0": what the store alone is worth."""


class Journey(Frozen):
    """A search of a target; `source` is empty where it was cold."""

    source: str
    target: str
    seed: int
    hv: float
    at: dict[str, float]


@dataclass(frozen=True, slots=True)
class Trip:
    """One source (None: cold) and the targets that are searched with its store."""

    plan: TransferPlan
    source: ContextName | None
    targets: tuple[ContextName, ...]
    seed: int


def transfer(
    plan: TransferPlan,
    out: Path | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[TransferRow]:
    """Make the searches that are missing of a plan; its rows, pair by pair.

    Raises:
        RequestError: For fewer than two contexts of a space, a context without truth, or a
            directory of other settings.
    """
    if not plan.pairs:
        raise RequestError("--contexts: transfer needs at least two contexts of one space")
    for name in plan.contexts:
        truth_of(name, plan.data_dir)
    settings = TransferSettings(trainings=plan.trainings, source_trainings=plan.source_trainings)
    log = RowLog(out, settings, Journey)
    trips = missing_trips(plan, log.records)
    progress(0, len(trips))
    for done, journeys in enumerate(run_tasks(travel, trips, jobs), start=1):
        for journey in journeys:
            log.append(journey)
        progress(done, len(trips))
    return rows_of(plan, log.records)


def missing_trips(plan: TransferPlan, done: Sequence[Journey]) -> list[Trip]:
    """What must still be searched, seed by seed."""
    known = {(j.source, j.target, j.seed) for j in done}
    trips: list[Trip] = []
    for seed in plan.seeds:
        for source in (None, *plan.contexts):
            goals = plan.contexts if source is None else [b for a, b in plan.pairs if a == source]
            left = tuple(t for t in goals if (_label(source), _label(t), seed) not in known)
            trips += [Trip(plan, source, left, seed)] if left else []
    return trips


def travel(trip: Trip) -> list[Journey]:
    """Fill a store in the source, then search every target with it."""
    plan = trip.plan
    with tempfile.TemporaryDirectory(prefix="llm-nas-transfer-") as name:
        folder = Path(name)
        if trip.source is not None:
            request = _request(plan, trip.source, SOURCE_SEED + trip.seed, plan.source_trainings)
            _run(request, folder, "source", keep=True)
        found: list[Journey] = []
        for number, target in enumerate(trip.targets):
            request = _request(plan, target, trip.seed, plan.trainings)
            report = _run(request, folder, f"target{number}")
            found.append(_journey(trip, target, report))
        return found


def _journey(trip: Trip, target: ContextName, report: SearchReport) -> Journey:
    hv = 0.0 if report.hv is None else report.hv
    return Journey(
        source=_label(trip.source),
        target=_label(target),
        seed=trip.seed,
        hv=hv,
        at=report.hv_at | {str(trip.plan.trainings): hv},
    )


def _label(name: ContextName | None) -> str:
    return "" if name is None else str(shown(name))


def _request(plan: TransferPlan, name: ContextName, seed: int, trainings: int) -> SearchRequest:
    return SearchRequest(
        **name.model_dump(), seed=seed, trainings=trainings, data_dir=plan.data_dir
    )


def _run(request: SearchRequest, folder: Path, name: str, keep: bool = False) -> SearchReport:
    paths = {"store": folder / "store", "out": folder / name}
    return run_search(request.model_copy(update=paths), keep=keep)


def rows_of(plan: TransferPlan, journeys: Sequence[Journey]) -> list[TransferRow]:
    """Cold and warm side by side."""
    by_key = {(j.source, j.target, j.seed): j for j in journeys}
    rows: list[TransferRow] = []
    for source, target in plan.pairs:
        for seed in plan.seeds:
            cold = by_key["", _label(target), seed]
            warm = by_key[_label(source), _label(target), seed]
            rows.append(
                TransferRow(
                    source=warm.source,
                    target=warm.target,
                    seed=seed,
                    hv_cold=cold.hv,
                    hv_warm=warm.hv,
                    at=warm.at,
                )
            )
    return rows
