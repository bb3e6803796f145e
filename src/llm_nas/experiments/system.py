"""Run the system itself inside a comparison: shared predictor, own folder, no trace left."""

import shutil
import tempfile
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from llm_nas.agents.chat_options import OFFLINE
from llm_nas.domain import DATASETS, DEVICES, SearchRequest
from llm_nas.experiments.setting import Setting, benchmark_in, predictions
from llm_nas.experiments.variants import Change, Memory, Variant
from llm_nas.graph import rundir
from llm_nas.graph.build import build_graph, run_config
from llm_nas.graph.context import Inputs, open_context, shared_store
from llm_nas.knowledge.store import HeuristicStore

DONOR_SEEDS = 1_000_000
"""Added to the seed of the runs that fill a memory, so that no run learns from its own draws."""
DONOR_DEVICES = 3
"""Devices a memory is filled on. A claim is trusted once two runs support it; of two runs alone,
one in some thirty pairs agreed on no claim that can be compiled."""


def run_system(
    setting: Setting, budget: int, model: str, generations: int, variant: Variant
) -> list[int]:
    """Benchmark indices of the cells that a run of a variant measured, in order."""
    with tempfile.TemporaryDirectory(prefix="llm-nas-compare-") as name:
        folder = Path(name)
        store = folder / "store"
        request = SearchRequest(
            dataset=setting.name.dataset,
            device=setting.name.device,
            budget=budget,
            generations=generations,
            seed=setting.seed,
            model=variant.model or model,
            labels=setting.labels,
            partition=setting.partition.name,
            store=store,
            out=folder / "run",
            data_dir=setting.data_dir,
        )
        if variant.memory is not None:
            nowhere: dict[str, object] = {"store": None, "out": None}
            found = donors(request, variant.memory)
            memory = filled_store(tuple(d.model_copy(update=nowhere) for d in found))
            shutil.copytree(memory.name, store)
        inputs = Inputs(benchmark=setting.benchmark, predicted_pct=setting.predicted_pct)
        return drive(request, inputs, variant.change, report=False)


@lru_cache(maxsize=2)
def filled_store(requests: tuple[SearchRequest, ...]) -> "tempfile.TemporaryDirectory[str]":
    """A store that these runs filled, made once for neighbouring runs that need the same."""
    filled = tempfile.TemporaryDirectory(prefix="llm-nas-memory-")
    for request in requests:
        predicted = predictions(request.data_dir, request.dataset, request.labels, request.seed)
        inputs = Inputs(benchmark=benchmark_in(request.data_dir), predicted_pct=predicted)
        with tempfile.TemporaryDirectory(prefix="llm-nas-donor-") as run:
            places = {"store": Path(filled.name), "out": Path(run) / "run"}
            drive(request.model_copy(update=places), inputs)
    return filled


def donors(request: SearchRequest, memory: Memory) -> list[SearchRequest]:
    """Offline runs in other places, with other seeds, that fill the request's store."""
    device = request.device.partition("=")[0]
    places = {
        "datasets": [(dataset, request.device) for dataset in _others(DATASETS, request.dataset)],
        "devices": [(request.dataset, name) for name in _others(DEVICES, device)[:DONOR_DEVICES]],
    }
    return [
        request.model_copy(
            update={
                "dataset": dataset,
                "device": name,
                "model": OFFLINE,
                "seed": (request.seed + DONOR_SEEDS) % 2**32,
                "out": request.out.with_name(f"donor-{position}") if request.out else None,
            }
        )
        for position, (dataset, name) in enumerate(places[memory])
    ]


def _others(names: tuple[str, ...], name: str) -> list[str]:
    """All names but one, from the one after it on."""
    start = names.index(name) + 1 if name in names else 0
    return [other for other in (*names[start:], *names[:start]) if other != name]


def drive(
    request: SearchRequest,
    inputs: Inputs,
    change: Change | None = None,
    *,
    report: bool = True,
) -> list[int]:
    """Run a request whose context was changed; the cells it measured, in order.

    The graph is the product's own; only checkpoints and the picture are left out, for nothing is
    resumed or looked at, and, where no store is to be filled, the report.
    """
    HeuristicStore.open(shared_store(request)).close()
    run, folder = rundir.create(request)
    context = open_context(run, folder, request, replace(inputs, picture=False))
    if change is not None:
        context = change(context)
    with closing(context):
        build_graph(report=report).invoke(
            {"request": request.model_dump(mode="json"), "run_dir": str(folder)},
            run_config(context),
            context=context,
        )
        space = context.space
        return [space.index(space.parse(m.arch)) for m in context.ledger.measured()]
