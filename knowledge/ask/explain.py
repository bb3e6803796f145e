"""Why a network is as it is: its trainings, the claims it meets, measured networks next to it."""

import json
import sqlite3
from collections.abc import Sequence

from llm_nas.claims import Heuristic
from llm_nas.domain import Arch, Measurement, Metric
from llm_nas.frozen import Frozen
from llm_nas.knowledge.claims.edits import predicate, unknown_in
from llm_nas.knowledge.memory import tables
from llm_nas.ports import SearchSpace

MOST_NEIGHBOURS = 8
MOST_CLAIMS = 12


class Seen(Frozen):
    """One training of a network: where, by whom it was proposed, what came out."""

    arch: Arch
    run: str
    generation: int
    origin: str
    task: str
    device: str
    recipe: str
    metric: str
    value: float
    """In the metric's unit, on validation data."""
    latency_ms: float


class Explanation(Frozen):
    """A network's story."""

    arch: Arch
    trained: tuple[Seen, ...]
    twins: tuple[Seen, ...]
    """Trainings of the same network under another text."""
    failures: tuple[str, ...]
    claims: tuple[Heuristic, ...]
    """Supported and trusted claims whose condition it meets, strongest first."""
    neighbours: tuple[Seen, ...]
    """Trainings of networks with one choice changed."""


def explain(db: sqlite3.Connection, space: SearchSpace, text: str) -> Explanation:
    """Walk from a network to its trainings, the claims it meets and the networks next to it.

    Raises:
        RequestError: For a text that is no network of the space.
    """
    arch = space.parse(text)
    near = [other for other in space.neighbours(arch) if other != arch]
    same = [other for other in near if space.twin(other) == space.twin(arch)]
    trained = seen(db, space.name, [arch])
    return Explanation(
        arch=arch,
        trained=trained,
        twins=seen(db, space.name, same)[:MOST_NEIGHBOURS],
        failures=_failures(db, space.name, arch),
        claims=_claims(db, space, arch, trained),
        neighbours=seen(db, space.name, [n for n in near if n not in same])[:MOST_NEIGHBOURS],
    )


def seen(db: sqlite3.Connection, space: str, archs: Sequence[Arch]) -> tuple[Seen, ...]:
    """Trainings of some networks of a space, in the order in which they were made."""
    rows = db.execute(
        "SELECT t.body, r.run, r.task, r.device, r.recipe, r.metric FROM training t "
        "JOIN run r ON r.run = t.run WHERE r.space = ? AND t.arch IN "
        "(SELECT value FROM json_each(?)) ORDER BY r.seq, r.run, t.generation, t.arch",
        (space, json.dumps(list(archs))),
    )
    return tuple(
        told(Measurement.model_validate_json(body), run, task, device, recipe, metric)
        for body, run, task, device, recipe, metric in rows
    )


def told(
    measured: Measurement, run: str, task: str, device: str, recipe: str, metric: str
) -> Seen:
    """A training with the run it comes from; `metric` is JSON."""
    return Seen(
        arch=measured.arch,
        run=run,
        generation=measured.generation,
        origin=measured.origin,
        task=task,
        device=device,
        recipe=recipe,
        metric=Metric.model_validate_json(metric).name,
        value=measured.value,
        latency_ms=measured.latency_ms,
    )


def _failures(db: sqlite3.Connection, space: str, arch: Arch) -> tuple[str, ...]:
    rows = db.execute(
        "SELECT f.body FROM failure f JOIN run r ON r.run = f.run WHERE r.space = ? AND f.arch = ?"
        " ORDER BY r.seq",
        (space, arch),
    )
    found = (json.loads(row[0]) for row in rows)
    return tuple(f"{failure['stage']}: {failure['reason']}" for failure in found)


def _claims(
    db: sqlite3.Connection, space: SearchSpace, arch: Arch, trained: Sequence[Seen]
) -> tuple[Heuristic, ...]:
    """Believed claims about the places a network was trained in, whose condition it meets."""
    tasks, devices = {s.task for s in trained}, {s.device for s in trained}
    rows = [r for r in tables.claims_in(db, space.name) if r.status in ("supported", "trusted")]
    found = [
        row.id
        for row in rows
        if (not tasks or not row.claim.scope.tasks or tasks & set(row.claim.scope.tasks))
        and (not devices or not row.claim.scope.devices or devices & set(row.claim.scope.devices))
        and unknown_in(space, row.claim.condition) is None
        and predicate(space, row.claim.condition)(arch)
    ]
    heuristics = tables.heuristics(db, found)
    return tuple(sorted(heuristics, key=_strength, reverse=True)[:MOST_CLAIMS])


def _strength(heuristic: Heuristic) -> float:
    evidence = heuristic.evidence
    return abs(evidence.mean_effect) / max(evidence.spread, 1e-12)
