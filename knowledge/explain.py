"""Why a cell is as it is: what was measured, which claims it meets, who was shown what."""

import json
import sqlite3

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Frozen
from llm_nas.knowledge import projection
from llm_nas.knowledge.cells import RunPlace
from llm_nas.knowledge.world import World

MOST_NEIGHBOURS = 8
MOST_CLAIMS = 12


class Seen(Frozen):
    """A measurement of a cell in one run."""

    arch: str
    run: str
    generation: int
    dataset: str
    device: str
    niche: str
    predicted_accuracy_pct: float
    latency_ms: float


class Child(Frozen):
    """The cell as a proposal: what its designer was shown, what was withheld, what it gained."""

    run: str
    generation: int
    shown: tuple[str, ...]
    withheld: tuple[str, ...]
    valid: bool
    gain: float


class Explanation(Frozen):
    """A cell's story: measurements, proposals, claims about it, measured cells one edge away."""

    arch: str
    measured: tuple[Seen, ...]
    twins: tuple[Seen, ...]
    """Measured cells that are the same network: they differ on edges that no path uses."""
    proposed: tuple[Child, ...]
    claims: tuple[Heuristic, ...]
    """Supported and trusted claims whose condition the cell meets, strongest first."""
    neighbours: tuple[Seen, ...]


def explain(db: sqlite3.Connection, world: World, arch: str) -> Explanation:
    """Walk from a cell to its proposals, the claims it meets and the cells next to it.

    Raises:
        RequestError: For a string that is no cell of the space.
    """
    number = world.number(arch)
    name = world.arch(number)
    near = [world.space.format(cell) for cell in world.space.neighbours(world.space.cell(number))]
    rows = db.execute(
        "SELECT run, generation, shown, withheld, valid, gain FROM trial WHERE arch = ? "
        "ORDER BY run, generation",
        (name,),
    )
    proposed = tuple(
        Child(
            run=run,
            generation=generation,
            shown=tuple(json.loads(shown)),
            withheld=tuple(json.loads(withheld)),
            valid=bool(valid),
            gain=gain,
        )
        for run, generation, shown, withheld, valid, gain in rows
    )
    measured = _seen(db, [name])
    return Explanation(
        arch=name,
        measured=measured,
        twins=_seen(db, _twins(world, number))[:MOST_NEIGHBOURS],
        proposed=proposed,
        claims=_claims(db, world, number, measured),
        neighbours=_seen(db, near)[:MOST_NEIGHBOURS],
    )


def _twins(world: World, number: int) -> list[str]:
    """The other cells with the canonical form of one."""
    form = world.space.canonical_index()
    same: list[int] = np.flatnonzero(form == form[number]).tolist()
    return [world.arch(other) for other in same if other != number]


def seen_in(db: sqlite3.Connection, space: str, run: RunPlace) -> tuple[Seen, ...]:
    """What a run measured in one context."""
    where = "space = ? AND dataset = ? AND device = ? AND run = ? AND number IS NOT NULL"
    return _rows(db, where, (space, run.dataset, run.device, run.run))


def _seen(db: sqlite3.Connection, archs: list[str]) -> tuple[Seen, ...]:
    return _rows(db, "arch IN (SELECT value FROM json_each(?))", (json.dumps(archs),))


def _rows(db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> tuple[Seen, ...]:
    columns = (
        "arch, run, generation, dataset, device, niche, accuracy_pct AS predicted_accuracy_pct, "
        "latency_ms"
    )
    query = f"SELECT {columns} FROM cell WHERE {where} ORDER BY dataset, device, run, arch"
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    return tuple(Seen.model_validate(dict(zip(names, row, strict=True))) for row in cursor)


def _claims(
    db: sqlite3.Connection, world: World, number: int, measured: tuple[Seen, ...]
) -> tuple[Heuristic, ...]:
    """Believed claims whose condition and niche take the cell in, where it was measured."""
    places = {(seen.dataset, seen.device) for seen in measured}
    keys = [
        row[0]
        for row in db.execute(
            "SELECT id FROM claim WHERE status IN ('supported', 'trusted') "
            "ORDER BY score DESC, id LIMIT 2000"
        )
    ]
    found: list[str] = []
    for row in projection.rows_of(db, keys):
        question = world.question(row.claim)
        scope = row.claim.scope
        here = not places or any(
            (not scope.datasets or dataset in scope.datasets)
            and (not scope.devices or device in scope.devices)
            for dataset, device in places
        )
        if here and question is not None and question.mask[number] and question.inside[number]:
            found.append(row.id)
    return projection.heuristics(db, found[:MOST_CLAIMS])
