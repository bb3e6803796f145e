"""Does memory help somewhere else? Learn in one place, search another, compare with cold.

Learned-on and used-on are kept apart by construction: the store a target is given was filled by
one search of the source, with another seed and predictor; it is checked to hold no cell of the
target; and the target's own run writes to a copy. Source stores and cold searches are made once
and shared by all matrices. Every finished search is a row on disk: a cut experiment goes on.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_nas.domain import PROTOCOL_VERSION, Frozen, SearchReport, SearchRequest
from llm_nas.errors import RequestError, StoreError
from llm_nas.experiments.compare import predictor_in_words
from llm_nas.experiments.engine import run_tasks
from llm_nas.experiments.rows import RowLog
from llm_nas.experiments.setting import ContextName, benchmark_in, parse_contexts, predictions
from llm_nas.experiments.system import drive
from llm_nas.graph import rundir
from llm_nas.graph.context import Inputs
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.tools.predictor import PredictorOptions

COLD = "cold"
SOURCE_SEED = 10_000
"""Seed of the searches that fill stores: their predictor and cells are not the target's."""
STORES = "stores"


class Matrix(Frozen):
    """Places between which everything is carried over to everything else."""

    name: str
    places: tuple[ContextName, ...]

    @property
    def pairs(self) -> tuple[tuple[ContextName, ContextName], ...]:
        """Every (source, target) of two different places."""
        return tuple((s, t) for s in self.places for t in self.places if s != t)


class TransferPlan(Frozen):
    """Everything that determines the rows of an experiment."""

    matrices: tuple[Matrix, ...]
    seeds: tuple[int, ...]
    budget: int = 60
    """Evaluations of a target's search."""
    source_budget: int = 120
    """Evaluations of the search that fills a store."""
    labels: int = 1000
    data_dir: Path | None = None

    def settings(self) -> "TransferSettings":
        """What its rows have in common; opens the benchmark."""
        benchmark = benchmark_in(self.data_dir)
        return TransferSettings(
            budget=self.budget,
            source_budget=self.source_budget,
            labels=self.labels,
            predictor=predictor_in_words(PredictorOptions()),
            data_source=benchmark.source,
            data_digest=benchmark.digest,
        )


class TransferSettings(Frozen):
    """What all rows of a directory have in common; rows of other settings do not mix."""

    protocol: int = PROTOCOL_VERSION
    budget: int
    source_budget: int
    source_seed: int = SOURCE_SEED
    labels: int
    predictor: str
    data_source: str
    data_digest: str


class TransferRow(Frozen):
    """One search of a target, cold or with a source's store; places are `dataset:device`."""

    source: str
    """A place, or `cold`."""
    target: str
    seed: int
    hv: float
    dropped: bool
    """Whether the search ended without believing the source."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What identifies a search inside an experiment."""
        return (self.source, self.target, self.seed)


@dataclass(frozen=True, slots=True)
class Trip:
    """One search to be made: of a source, to fill its store, or of a target."""

    plan: TransferPlan
    out: Path
    source: ContextName | None
    """Whose store the search is given; None for a cold one."""
    target: ContextName
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """The key of the row it will give."""
        return (self.source.label if self.source else COLD, self.target.label, self.seed)


def transfer(
    plan: TransferPlan,
    out: Path,
    jobs: int = 1,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[TransferRow]:
    """Make the searches that are missing of a plan; all its rows.

    Args:
        plan: matrices, seeds and budgets.
        out: directory of rows and source stores; what is there is not made again.
        jobs: processes to use.
        progress: called with what was made last and the numbers of finished and all searches.

    Raises:
        RequestError: For a matrix of fewer than two places, or a directory of other settings.
    """
    if not plan.matrices or any(len(m.places) < 2 for m in plan.matrices):
        raise RequestError("transfer needs at least two different places")
    log = RowLog(out, plan.settings(), TransferRow)
    trips = trips_of(plan, out)
    done = {row.key for row in log.records}
    missing = [trip for trip in trips if trip.key not in done]
    finished = len(trips) - len(missing)
    needed = dict.fromkeys(trip.source for trip in missing if trip.source is not None)
    for place in run_tasks(learn, _fill(plan, out, list(needed)), jobs):
        progress(f"learned on {place}", finished, len(trips))
    for row in run_tasks(travel, missing, jobs):
        log.append(row)
        finished += 1
        progress(f"{row.source} -> {row.target}: hv {row.hv:.4f}", finished, len(trips))
    wanted = {trip.key for trip in trips}
    return [row for row in log.records if row.key in wanted]


def trips_of(plan: TransferPlan, out: Path) -> list[Trip]:
    """Every search of a target, once, seed by seed; those that share a predictor together."""
    pairs = dict.fromkeys(pair for matrix in plan.matrices for pair in matrix.pairs)
    cold = dict.fromkeys((None, target) for _, target in pairs)
    ordered = sorted([*cold, *pairs], key=lambda pair: pair[1].label)
    return [
        Trip(plan, out, source, target, seed) for seed in plan.seeds for source, target in ordered
    ]


def _fill(plan: TransferPlan, out: Path, sources: Sequence[ContextName]) -> list[Trip]:
    """Searches that fill the stores which are not there yet."""
    return [
        Trip(plan, out, None, source, SOURCE_SEED)
        for source in sources
        if not store_of(out, source).exists()
    ]


def store_of(out: Path, source: ContextName) -> Path:
    """Where a source's store lies."""
    return out / STORES / source.label.replace(":", "-")


def learn(trip: Trip) -> str:
    """Fill a store by a search of one place; it appears when it is whole."""
    store = store_of(trip.out, trip.target)
    store.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.parent, prefix=".") as folder:
        _search(trip, Path(folder), trip.plan.source_budget)
        (Path(folder) / "store").rename(store)
    return trip.target.label


def travel(trip: Trip) -> TransferRow:
    """Search a target, cold or with a copy of a store, which must hold no cell of it."""
    with tempfile.TemporaryDirectory(prefix="llm-nas-transfer-") as folder:
        if trip.source is not None:
            store = store_of(trip.out, trip.source)
            forbid_target_cells(store, trip.target)
            shutil.copytree(store, Path(folder) / "store")
        report = _search(trip, Path(folder), trip.plan.budget)
    source, target, seed = trip.key
    dropped = bool(report.sources) and not any(verdict.kept for verdict in report.sources)
    return TransferRow(source=source, target=target, seed=seed, hv=report.hv, dropped=dropped)


def _search(trip: Trip, folder: Path, budget: int) -> SearchReport:
    """Search the trip's target in a folder, with the store that lies there."""
    plan, target = trip.plan, trip.target
    request = SearchRequest(
        dataset=target.dataset,
        device=target.device,
        budget=budget,
        seed=trip.seed,
        labels=plan.labels,
        store=folder / "store",
        out=folder / "run",
        data_dir=plan.data_dir,
    )
    predicted = predictions(plan.data_dir, target.dataset, plan.labels, trip.seed)
    drive(request, Inputs(benchmark=benchmark_in(plan.data_dir), predicted_pct=predicted))
    return SearchReport.model_validate(rundir.read_json(folder / "run" / rundir.RESULT))


def forbid_target_cells(store: Path, target: ContextName) -> None:
    """Refuse a store that already holds cells measured in the target.

    Raises:
        StoreError: It does; a gain measured with it would not be transfer.
    """
    place = f"{target.dataset}/{target.device.partition('=')[0]}"
    with HeuristicStore.open(store, readonly=True) as opened:
        if place in opened.contexts():
            raise StoreError(f"store {store}: holds cells of the target {place}")


def device_matrix(dataset: str, devices: str, data_dir: Path | None) -> Matrix:
    """`all` or a list of devices on one dataset."""
    names = [n.strip() for n in devices.split(",") if n.strip()]
    places = parse_contexts(
        ",".join(f"{dataset}:{n}" for n in names), benchmark_in(data_dir).devices()
    )
    return Matrix(name="devices", places=places)


def dataset_matrix(device: str, datasets: str, data_dir: Path | None) -> Matrix:
    """`all` or a list of datasets on one device."""
    names = [n.strip() for n in datasets.split(",") if n.strip()]
    places = parse_contexts(
        ",".join(f"{n}:{device}" for n in names), benchmark_in(data_dir).devices()
    )
    return Matrix(name="datasets", places=places)
