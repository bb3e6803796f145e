"""Does memory help somewhere else? Learn in one context, search another, compare with cold.

Learned-on and used-on are kept apart by construction: the store a target is given is filled by a
search of the source only, is checked to hold no cell of the target, and is a copy that the
target's own run writes to.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray, Frozen, SearchRequest
from llm_nas.errors import RequestError, StoreError
from llm_nas.evaluation.score import claimed_front, relative_hv
from llm_nas.experiments.engine import run_tasks
from llm_nas.experiments.setting import ContextName, benchmark_in, open_setting, parse_contexts
from llm_nas.experiments.system import drive
from llm_nas.graph.context import Inputs
from llm_nas.knowledge.store import HeuristicStore

BOOTSTRAPS = 2_000
SOURCE_SEED = 10_000
"""Added to a source's seed: its predictor and cells are not the target's."""


class Gain(Frozen):
    """What a source's store did for a target: mean difference in hv and a 95 % interval."""

    source: str
    target: str
    cold_hv: float
    warm_hv: float
    gain: float
    low: float
    high: float


class TransferReport(Frozen):
    """Gains of every ordered pair of different contexts, and over all of them."""

    budget: int
    seeds: int
    gains: tuple[Gain, ...]
    mean_gain: float
    low: float
    high: float
    worst: float


@dataclass(frozen=True, slots=True)
class Trip:
    """One search of a target, with a copy of a source's store or without."""

    target: ContextName
    seed: int
    budget: int
    store: Path | None
    data_dir: Path | None


def transfer(
    contexts: Sequence[ContextName],
    *,
    budget: int = 60,
    seeds: int = 5,
    source_budget: int = 120,
    jobs: int = 1,
    data_dir: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> TransferReport:
    """Search every context cold and with every other context's store.

    Args:
        contexts: sources and targets, at least two.
        budget: evaluations of a target's search.
        seeds: target searches per pair; the same seeds warm and cold.
        source_budget: evaluations of a source's search.
        jobs: processes.
        data_dir: benchmark tables; the ones in use when None.
        progress: called with one line per source and search.

    Raises:
        RequestError: For fewer than two contexts.
    """
    if len(contexts) < 2:
        raise RequestError("transfer needs at least two different places")
    hv: dict[Trip, float] = {}
    with tempfile.TemporaryDirectory(prefix="llm-nas-transfer-") as name:
        stores = {context: Path(name, context.label.replace(":", "-")) for context in contexts}
        fill = [
            Trip(context, SOURCE_SEED, source_budget, store, data_dir)
            for context, store in stores.items()
        ]
        for trip, found in run_tasks(learn, fill, jobs):
            progress(f"learned on {trip.target.label}: hv {found:.4f}")
        trips = [
            Trip(target, seed, budget, store, data_dir)
            for seed in range(seeds)
            for target in contexts
            for store in (None, *(s for source, s in stores.items() if source != target))
        ]
        for trip, found in run_tasks(travel, trips, jobs):
            hv[trip] = found
            source = "cold" if trip.store is None else f"store of {trip.store.name}"
            progress(f"{len(hv)}/{len(trips)} {trip.target.label}, {source}: hv {found:.4f}")

    def over_seeds(target: ContextName, store: Path | None) -> list[float]:
        return [hv[Trip(target, seed, budget, store, data_dir)] for seed in range(seeds)]

    pairs = [(s, t) for s in contexts for t in contexts if s != t]
    cold = {target: over_seeds(target, None) for target in contexts}
    warm = {(s, t): over_seeds(t, stores[s]) for s, t in pairs}
    gains = [_gain((s.label, t.label), cold[t], warm[s, t]) for s, t in pairs]
    low, high = _interval(np.array([g.gain for g in gains]))
    return TransferReport(
        budget=budget,
        seeds=seeds,
        gains=tuple(gains),
        mean_gain=float(np.mean([g.gain for g in gains])),
        low=low,
        high=high,
        worst=min(g.gain for g in gains),
    )


def device_places(dataset: str, devices: str, data_dir: Path | None) -> tuple[ContextName, ...]:
    """Contexts of a device matrix: `all` or a list of devices on one dataset; () for ''."""
    known = benchmark_in(data_dir).devices()
    names = [n.strip() for n in devices.split(",") if n.strip()]
    return parse_contexts(",".join(f"{dataset}:{n}" for n in names), known) if names else ()


def dataset_places(device: str, datasets: str, data_dir: Path | None) -> tuple[ContextName, ...]:
    """Contexts of a dataset matrix: `all` or a list of datasets on one device; () for ''."""
    known = benchmark_in(data_dir).devices()
    names = [n.strip() for n in datasets.split(",") if n.strip()]
    return parse_contexts(",".join(f"{n}:{device}" for n in names), known) if names else ()


def forbid_target_cells(store: Path, target: ContextName) -> None:
    """Refuse a store that already holds cells measured in the target.

    Raises:
        StoreError: It does; a gain measured with it would not be transfer.
    """
    place = f"{target.dataset}/{target.device.partition('=')[0]}"
    with HeuristicStore.open(store, readonly=True) as opened:
        if place in opened.contexts():
            raise StoreError(f"store {store}: holds cells of the target {place}")


def learn(trip: Trip) -> tuple[Trip, float]:
    """Fill the trip's store by a search of its target."""
    if trip.store is None:
        raise RequestError("a source needs a store to fill")
    return trip, _hv(trip, trip.store)


def travel(trip: Trip) -> tuple[Trip, float]:
    """Search the target with a copy of the store, which must hold no cell of it, or cold."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "store")
        if trip.store is not None:
            forbid_target_cells(trip.store, trip.target)
            shutil.copytree(trip.store, copy)
        return trip, _hv(trip, copy)


def _hv(trip: Trip, store: Path) -> float:
    """Relative hypervolume of the front a search claims, by test accuracy."""
    setting = open_setting(trip.target, trip.seed, data_dir=trip.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        request = SearchRequest(
            dataset=trip.target.dataset,
            device=trip.target.device,
            budget=trip.budget,
            seed=trip.seed,
            store=store,
            out=Path(folder, "run"),
            data_dir=trip.data_dir,
        )
        inputs = Inputs(benchmark=setting.benchmark, predicted_pct=setting.predicted_pct)
        cells = drive(request, inputs)
    front = claimed_front(setting.latency_ms, setting.predicted_pct, cells)
    return relative_hv(setting.context, front)


def _gain(pair: tuple[str, str], cold: Sequence[float], warm: Sequence[float]) -> Gain:
    difference = np.subtract(warm, cold)
    low, high = _interval(difference)
    return Gain(
        source=pair[0],
        target=pair[1],
        cold_hv=float(np.mean(cold)),
        warm_hv=float(np.mean(warm)),
        gain=float(difference.mean()),
        low=low,
        high=high,
    )


def _interval(values: FloatArray) -> tuple[float, float]:
    """Bootstrap 95 % interval of a mean."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (BOOTSTRAPS, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
