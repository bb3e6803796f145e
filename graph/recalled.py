"""What a run takes over from the store it is given: claims, and trainings of the same task.

The store is read once and what it gave is kept in the run's folder, so that a resumed run goes
on with the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Measurement, SearchRequest
from llm_nas.graph import run_dir
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import LatencyModel, Partition
from llm_nas.tools.contexts import Context

MOST_CLAIMS = 200
"""Claims a run takes over from the store it is given."""
GENERATION = -1
"""The generation of trainings that were paid for by earlier runs."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was known when the run began; empty for a cold run."""

    claims: tuple[Heuristic, ...] = ()
    trainings: tuple[Measurement, ...] = ()
    """Networks of the same space, task and recipe, with their latency on this run's device."""


def recall(
    folder: Path,
    request: SearchRequest,
    context: Context,
    latency: LatencyModel,
    partition: Partition,
) -> Recalled:
    """Read the request's store, or what the run kept of it.

    Raises:
        StoreError: For a store that cannot be read, or damaged files in the run's folder.
    """
    if request.store is None:
        return Recalled()
    kept = folder / run_dir.RECALLED
    if not kept.exists():
        name, recipe = context.label, recipe_of(context, request)
        with HeuristicStore.open(request.store, space=context.space) as store:
            claims = store.recall(name, "", k=MOST_CLAIMS)
            trainings = store.trainings(name.space, name.task, recipe)
        here = _on_this_device(trainings, latency, partition)
        body = {
            "claims": [h.model_dump(mode="json") for h in claims],
            "trainings": [m.model_dump(mode="json") for m in here],
        }
        run_dir.write_json(kept, body)
    body = run_dir.read_json(kept)
    return Recalled(
        tuple(Heuristic.model_validate(h) for h in body["claims"]),
        tuple(Measurement.model_validate(m) for m in body["trainings"]),
    )


def recipe_of(context: Context, request: SearchRequest) -> str:
    """How the run's labels are made; trainings of one recipe can be compared."""
    epochs = "" if request.epochs is None else f", {request.epochs} epochs"
    return f"{context.task.source}{epochs}"


def _on_this_device(
    trainings: Sequence[Measurement], latency: LatencyModel, partition: Partition
) -> list[Measurement]:
    """The trainings with their latencies here; those the device cannot run are left out.

    On a device that has to be measured these are predictions until the network is timed.
    """
    if not trainings:
        return []
    mean, deviation = latency.predict([m.arch for m in trainings])
    return [
        m.model_copy(
            update={
                "niche": partition.niche_of(m.arch),
                "generation": GENERATION,
                "latency_ms": float(ms),
                "latency_low_ms": float(ms - spread),
                "latency_high_ms": float(ms + spread),
            }
        )
        for m, ms, spread in zip(trainings, mean, deviation, strict=True)
        if np.isfinite(ms)
    ]
