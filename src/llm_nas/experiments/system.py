"""Run the system itself inside a comparison: shared predictor, own folder, no trace left."""

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from llm_nas.domain import DATASETS, SearchRequest
from llm_nas.experiments.setting import Setting, predictions
from llm_nas.experiments.variants import Change, Variant
from llm_nas.graph import rundir
from llm_nas.graph.build import build_graph
from llm_nas.graph.context import Inputs, open_context, shared_store
from llm_nas.knowledge.store import HeuristicStore

DONOR_SEEDS = 1_000_000
"""Added to the seed of the runs that fill a memory, so that no run learns from its own draws."""


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
            model=model,
            labels=setting.labels,
            partition=setting.partition.name,
            store=store,
            out=folder / "run",
            data_dir=setting.data_dir,
        )
        if variant.remembers:
            for donor in donors(request):
                predicted = predictions(donor.data_dir, donor.dataset, donor.labels, donor.seed)
                drive(donor, Inputs(benchmark=setting.benchmark, predicted_pct=predicted))
        inputs = Inputs(benchmark=setting.benchmark, predicted_pct=setting.predicted_pct)
        return drive(request, inputs, variant.change, report=False)


def donors(request: SearchRequest) -> list[SearchRequest]:
    """Runs on the other datasets of the same device that fill the request's store."""
    return [
        request.model_copy(
            update={
                "dataset": dataset,
                "seed": (request.seed + DONOR_SEEDS) % 2**32,
                "out": request.out.with_name(f"donor-{dataset}") if request.out else None,
            }
        )
        for dataset in DATASETS
        if dataset != request.dataset
    ]


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
            {"recursion_limit": 4 * request.generations + 20},
            context=context,
        )
        space = context.space
        return [space.index(space.parse(m.arch)) for m in context.ledger.measured()]
