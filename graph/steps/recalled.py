"""What a run takes over from the store it is given: claims, and trainings of the same task.

The store is read once and what it gave is kept in the run's folder, so that a resumed run goes
on with the same. Trainings are believed device by device: first when they foretell each other,
then when they rank the run's own first trainings rightly.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Arch, Measurement, Metric, SearchRequest, SourceVerdict, Timing
from llm_nas.graph.record import run_dir
from llm_nas.knowledge.claims.pairs import is_member
from llm_nas.knowledge.memory.builtin import builtin_claims, is_builtin
from llm_nas.knowledge.memory.reuse import judged
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import LatencyModel, Partition, SearchSpace
from llm_nas.tools.contexts import Context

MOST_CLAIMS = 200
"""Claims a run takes over from the store it is given."""
GENERATION = -1
"""The generation of trainings that were paid for by earlier runs."""


CHECKED_ON = 24
"""Own trainings on which earlier ones are judged: the first, which lie all over the space."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was known when the run began; empty for a cold run."""

    claims: tuple[Heuristic, ...] = ()
    trainings: Mapping[str, tuple[Measurement, ...]] = field(
        default_factory=dict[str, tuple[Measurement, ...]]
    )
    """Networks of the same space, task and recipe, with their latency on this run's device, by
    `SPACE/TASK/DEVICE` they were trained for."""

    @property
    def size(self) -> int:
        """Trainings of all sources."""
        return sum(len(held) for held in self.trainings.values())


class Sources:
    """Judges what was taken over on what the run has trained, and remembers its judgements."""

    def __init__(self, recalled: Recalled, metric: Metric, space: SearchSpace) -> None:
        self._recalled, self._metric, self._space = recalled, metric, space
        self._known: dict[int, tuple[SourceVerdict, ...]] = {}
        self._lock = threading.Lock()

    def verdicts(self, own: Sequence[Measurement]) -> tuple[SourceVerdict, ...]:
        """Which sources are believed, given the run's own trainings in order."""
        first = own[:CHECKED_ON]
        with self._lock:
            if len(first) not in self._known:
                self._known[len(first)] = tuple(
                    judged(name, held, first, self._metric, self._space)
                    for name, held in self._recalled.trainings.items()
                )
            return self._known[len(first)]

    def believed(self, own: Sequence[Measurement]) -> tuple[Measurement, ...]:
        """Trainings of the sources that are believed, without what the run has trained."""
        mine = {m.arch for m in own}
        return tuple(
            m
            for verdict in self.verdicts(own)
            if verdict.kept
            for m in self._recalled.trainings[verdict.source]
            if m.arch not in mine
        )


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
        if is_builtin(request.store):
            claims, trainings = builtin_claims(context.space), dict[str, tuple[Measurement, ...]]()
        else:
            with HeuristicStore.open(request.store, space=context.space) as store:
                claims = store.recall(name, "", k=MOST_CLAIMS)
                trainings = store.trainings_by_device(name.space, name.task, recipe)
        body = {
            "claims": [h.model_dump(mode="json") for h in claims],
            "trainings": {
                f"{name.space}/{name.task}/{device}": [
                    m.model_dump(mode="json")
                    for m in _on_this_device(held, context.space, latency, partition)
                ]
                for device, held in trainings.items()
            },
        }
        run_dir.write_json(kept, body)
    body = run_dir.read_json(kept)
    return Recalled(
        tuple(Heuristic.model_validate(h) for h in body["claims"]),
        {
            source: tuple(Measurement.model_validate(m) for m in held)
            for source, held in body["trainings"].items()
        },
    )


def retimed(folder: Path, recalled: Recalled, timings: Mapping[Arch, Timing]) -> Recalled:
    """Trainings taken over, with latencies measured here; those that were not timed are left out.

    The run's folder keeps them, for a resume.
    """
    trainings = {
        source: tuple(_at(m, timings[m.arch]) for m in held if m.arch in timings)
        for source, held in recalled.trainings.items()
    }
    body = run_dir.read_json(folder / run_dir.RECALLED)
    body["trainings"] = {
        source: [m.model_dump(mode="json") for m in held] for source, held in trainings.items()
    }
    run_dir.write_json(folder / run_dir.RECALLED, body)
    return replace(recalled, trainings=trainings)


def _at(measured: Measurement, timing: Timing) -> Measurement:
    return measured.model_copy(
        update={
            "latency_ms": timing.median_ms,
            "latency_low_ms": timing.low_ms,
            "latency_high_ms": timing.high_ms,
        }
    )


def recipe_of(context: Context, request: SearchRequest) -> str:
    """How the run's labels are made; trainings of one recipe can be compared."""
    epochs = "" if request.epochs is None else f", {request.epochs} epochs"
    return f"{context.task.source}{epochs}"


def _on_this_device(
    trainings: Sequence[Measurement],
    space: SearchSpace,
    latency: LatencyModel,
    partition: Partition,
) -> list[Measurement]:
    """The trainings with their latencies here, of networks that exist and run here.

    On a device that has to be measured these are predictions until the network is timed.
    """
    trainings = [m for m in trainings if is_member(space, m.arch)]
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
