"""Does memory help somewhere else? Learn in one context, search another, compare with cold.

Learned-on and used-on are kept apart by construction: the store a target is given is filled by a
search of the source only, is checked to hold no cell of the target, and is a copy that the
target's own run writes to.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import DEVICES, FloatArray, Frozen, SearchReport, SearchRequest
from llm_nas.errors import StoreError
from llm_nas.experiments.setting import ContextName, open_setting
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
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


def transfer(
    contexts: Sequence[ContextName],
    *,
    budget: int = 60,
    seeds: int = 5,
    source_budget: int = 120,
    progress: Callable[[str], None] = lambda line: None,
) -> TransferReport:
    """Search every context cold and with every other context's store.

    Args:
        contexts: sources and targets.
        budget: evaluations of a target's search.
        seeds: target searches per pair; the same seeds warm and cold.
        source_budget: evaluations of a source's search.
        progress: called with one line per pair.
    """
    with tempfile.TemporaryDirectory(prefix="llm-nas-transfer-") as name:
        folder = Path(name)
        for source in contexts:
            _run(source, SOURCE_SEED, source_budget, _source_store(folder, source))
        cold = {
            target.label: [_cold(target, seed, budget) for seed in range(seeds)]
            for target in contexts
        }
        differences: dict[tuple[str, str], list[float]] = {}
        gains: list[Gain] = []
        for target in contexts:
            for source in contexts:
                if source == target:
                    continue
                store = _source_store(folder, source)
                warm = [_warm(store, target, seed, budget) for seed in range(seeds)]
                pair = (source.label, target.label)
                differences[pair] = list(np.subtract(warm, cold[target.label]))
                gains.append(_gain(pair, cold[target.label], warm))
                progress(f"{pair[0]} -> {pair[1]}: {gains[-1].gain:+.4f}")
    per_pair = np.array(list(differences.values()))
    low, high = _interval(per_pair.mean(axis=1))
    return TransferReport(
        budget=budget,
        seeds=seeds,
        gains=tuple(gains),
        mean_gain=float(per_pair.mean()),
        low=low,
        high=high,
        worst=min(g.gain for g in gains),
    )


def device_contexts(dataset: str) -> tuple[ContextName, ...]:
    """All devices on one dataset."""
    return tuple(ContextName(dataset=dataset, device=device) for device in DEVICES)


def forbid_target_cells(store: Path, target: ContextName) -> None:
    """Refuse a store that already holds cells measured in the target.

    Raises:
        StoreError: It does; a gain measured with it would not be transfer.
    """
    place = f"{target.dataset}/{target.device.partition('=')[0]}"
    with HeuristicStore.open(store, readonly=True) as opened:
        if place in opened.contexts():
            raise StoreError(f"store {store}: holds cells of the target {place}")


def _source_store(folder: Path, source: ContextName) -> Path:
    return folder / source.label.replace(":", "-")


def _cold(target: ContextName, seed: int, budget: int) -> float:
    with tempfile.TemporaryDirectory() as empty:
        return _run(target, seed, budget, Path(empty, "store")).hv


def _warm(store: Path, target: ContextName, seed: int, budget: int) -> float:
    forbid_target_cells(store, target)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "store")
        shutil.copytree(store, copy)
        return _run(target, seed, budget, copy).hv


def _run(context: ContextName, seed: int, budget: int, store: Path) -> SearchReport:
    setting = open_setting(context, seed)
    with tempfile.TemporaryDirectory() as folder:
        request = SearchRequest(
            dataset=context.dataset,
            device=context.device,
            budget=budget,
            seed=seed,
            store=store,
            out=Path(folder, "run"),
        )
        inputs = Inputs(benchmark=setting.benchmark, predicted_pct=setting.predicted_pct)
        return search(request, inputs)


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
