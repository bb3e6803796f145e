"""Tables derived from the event log: trainings, claims, their parts of evidence, calls.

All can be dropped and filled again; they change in the transaction that appends the event.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import TypeAdapter

from llm_nas.claims import Claim, Evidence, Heuristic, Objective, Scope, Status
from llm_nas.conditions import canonical
from llm_nas.domain import Failure, Measurement
from llm_nas.knowledge.ask.index import Entry
from llm_nas.knowledge.memory import lift
from llm_nas.knowledge.memory.ranking import worth
from llm_nas.ports import Lesson

VERSION = 4
"""Layout of the derived tables; another one in a file makes the store rebuild them."""

_NAMES = ("run", "training", "failure", "claim", "claim_scope", "part", "call")
_SCHEMA = f"""
CREATE TABLE run (
    run TEXT PRIMARY KEY, space TEXT, task TEXT, device TEXT, recipe TEXT, seed INTEGER,
    metric TEXT, seq INTEGER
) WITHOUT ROWID;
CREATE TABLE training (
    run TEXT, arch TEXT, generation INTEGER, value REAL, latency_ms REAL, body TEXT NOT NULL,
    PRIMARY KEY (run, arch)
) WITHOUT ROWID;
CREATE INDEX training_arch ON training (arch);
CREATE TABLE failure (run TEXT, arch TEXT, body TEXT, PRIMARY KEY (run, arch)) WITHOUT ROWID;
CREATE TABLE claim (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, topic TEXT NOT NULL, objective TEXT NOT NULL,
    direction TEXT NOT NULL, status TEXT NOT NULL, evidence TEXT NOT NULL, score REAL NOT NULL,
    seq INTEGER NOT NULL, unwanted INTEGER NOT NULL DEFAULT 0, benched INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX claim_topic ON claim (topic);
CREATE INDEX claim_seq ON claim (seq);
CREATE INDEX claim_score ON claim (score DESC, id);
CREATE TABLE claim_scope (
    claim TEXT, space TEXT, task TEXT, device TEXT, niche TEXT, score REAL,
    PRIMARY KEY (space, task, device, niche, claim)
) WITHOUT ROWID;
CREATE INDEX scope_claim ON claim_scope (claim);
CREATE INDEX scope_rank ON claim_scope (space, task, device, niche, score DESC, claim);
CREATE TABLE part (
    claim TEXT, source TEXT, digest TEXT NOT NULL, body TEXT, PRIMARY KEY (claim, source)
) WITHOUT ROWID;
{lift.SCHEMA}
"""
_CLAIM = "id, body, status, evidence, unwanted, benched"
_MEASUREMENT = TypeAdapter(Measurement)
_FAILURE = TypeAdapter(Failure)


@dataclass(frozen=True, slots=True)
class Row:
    """A claim as the tables hold it."""

    id: str
    claim: Claim
    status: Status
    evidence: Evidence
    unwanted: bool
    benched: bool


class Run(NamedTuple):
    """Where a run's trainings come from; `metric` is JSON."""

    run: str
    space: str
    task: str
    device: str
    recipe: str
    seed: int
    metric: str
    seq: int


def topic(claim: Claim) -> str:
    """What a claim is about, whatever it says of it: space, condition and objective, hashed."""
    core = [claim.scope.space, canonical(claim.condition).model_dump(), claim.effect.objective]
    return hashlib.sha256(json.dumps(core, sort_keys=True).encode()).hexdigest()[:16]


def reset(db: sqlite3.Connection) -> None:
    """Drop and recreate the derived tables, empty."""
    for name in _NAMES:
        db.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute("INSERT OR REPLACE INTO meta VALUES ('tables', ?)", (str(VERSION),))


def version(db: sqlite3.Connection) -> int:
    """Layout version of the derived tables in a file, 0 when there are none."""
    row = db.execute("SELECT value FROM meta WHERE name = 'tables'").fetchone()
    return int(row[0]) if row else 0


def add_trainings(db: sqlite3.Connection, lesson: Lesson, seq: int) -> None:
    """Take in a lesson's trainings and failures; the first of a run's own repeats stays."""
    context = lesson.context
    db.execute(
        "INSERT OR IGNORE INTO run VALUES (?,?,?,?,?,?,?,?)",
        (
            lesson.run,
            context.space,
            context.task,
            context.device,
            lesson.recipe,
            lesson.seed,
            lesson.metric.model_dump_json(),
            seq,
        ),
    )
    db.executemany(
        "INSERT OR IGNORE INTO training VALUES (?,?,?,?,?,?)",
        [
            (lesson.run, m.arch, m.generation, m.value, m.latency_ms, m.model_dump_json())
            for m in lesson.measured
        ],
    )
    db.executemany(
        "INSERT OR IGNORE INTO failure VALUES (?,?,?)",
        [(lesson.run, f.arch, f.model_dump_json()) for f in lesson.failures],
    )


def runs(db: sqlite3.Connection, space: str) -> list[Run]:
    """Runs in a space, in the order in which they came."""
    rows = db.execute("SELECT * FROM run WHERE space = ? ORDER BY seq, run", (space,))
    return [Run(*row) for row in rows]


def spaces(db: sqlite3.Connection) -> list[str]:
    """Names of the spaces that runs were made in."""
    return [row[0] for row in db.execute("SELECT DISTINCT space FROM run ORDER BY 1")]


def values_of(db: sqlite3.Connection, run: str) -> list[tuple[str, float, float]]:
    """`(arch, value, latency_ms)` of a run's trainings, in a fixed order."""
    query = "SELECT arch, value, latency_ms FROM training WHERE run = ? ORDER BY generation, arch"
    return list(db.execute(query, (run,)))


def trainings_by_device(
    db: sqlite3.Connection, space: str, task: str, recipe: str | None = None
) -> dict[str, tuple[Measurement, ...]]:
    """Trainings of a space and task (and recipe) by device, one per architecture: the earliest."""
    rows = db.execute(
        "SELECT t.arch, t.body, r.device FROM training t JOIN run r ON r.run = t.run "
        "WHERE r.space = ? AND r.task = ? AND (? IS NULL OR r.recipe = ?) "
        "ORDER BY r.seq, t.run, t.generation, t.arch",
        (space, task, recipe, recipe),
    )
    first: dict[str, tuple[str, str]] = {}
    for arch, body, device in rows:
        first.setdefault(arch, (device, body))
    found: dict[str, list[Measurement]] = {}
    for device, body in first.values():
        found.setdefault(device, []).append(_MEASUREMENT.validate_json(body))
    return {device: tuple(held) for device, held in found.items()}


def failures(db: sqlite3.Connection, space: str, task: str, recipe: str) -> tuple[Failure, ...]:
    """Networks of a space that could not be built or trained for a task and recipe."""
    rows = db.execute(
        "SELECT f.body FROM failure f JOIN run r ON r.run = f.run WHERE r.space = ? AND "
        "r.task = ? AND r.recipe = ? ORDER BY r.seq, f.arch",
        (space, task, recipe),
    )
    found = (_FAILURE.validate_json(row[0]) for row in rows)
    return tuple({f.arch: f for f in found if f.stage in ("build", "train")}.values())


def knows(db: sqlite3.Connection, key: str) -> bool:
    """Whether a claim of this id is there."""
    return db.execute("SELECT 1 FROM claim WHERE id = ?", (key,)).fetchone() is not None


def has_topic(db: sqlite3.Connection, claim: Claim) -> bool:
    """Whether some claim of the same scope speaks of the same, in either direction."""
    rows = db.execute("SELECT body FROM claim WHERE topic = ?", (topic(claim),))
    return any(Claim.model_validate_json(row[0]).scope == claim.scope for row in rows)


def add_claim(db: sqlite3.Connection, claim: Claim, seq: int) -> None:
    """Insert a claim that is not there yet, as proposed."""
    key, nothing = claim.key, Evidence()
    score = worth(claim, "proposed", nothing)
    effect = claim.effect
    db.execute(
        "INSERT INTO claim (id, body, topic, objective, direction, status, evidence, score, seq) "
        "VALUES (?,?,?,?,?,'proposed',?,?,?)",
        (
            key,
            claim.model_dump_json(),
            topic(claim),
            effect.objective,
            effect.direction,
            nothing.model_dump_json(),
            score,
            seq,
        ),
    )
    rows = [(key, *place, score) for place in places(claim.scope)]
    db.executemany("INSERT OR IGNORE INTO claim_scope VALUES (?,?,?,?,?,?)", rows)


def places(scope: Scope) -> list[tuple[str, str, str, str]]:
    """Every (space, task, device, niche) a scope names; '' stands for everywhere."""
    return [
        (scope.space, task, device, niche)
        for task in scope.tasks or ("",)
        for device in scope.devices or ("",)
        for niche in scope.niches or ("",)
    ]


def vote(db: sqlite3.Connection, keys: Sequence[str], *, unwanted: bool) -> None:
    """Note that an analyst wants claims dropped or kept."""
    db.executemany("UPDATE claim SET unwanted = ? WHERE id = ?", [(unwanted, k) for k in keys])


def set_state(
    db: sqlite3.Connection, row: Row, status: Status, evidence: Evidence, seq: int | None
) -> None:
    """Write status, evidence and score of a claim, and the event of a new status, if new."""
    score = worth(row.claim, status, evidence)
    db.execute(
        "UPDATE claim SET status = ?, evidence = ?, score = ?, seq = coalesce(?, seq) "
        "WHERE id = ?",
        (status, evidence.model_dump_json(), score, seq, row.id),
    )
    db.execute("UPDATE claim_scope SET score = ? WHERE claim = ?", (score, row.id))


def set_seq(db: sqlite3.Connection, key: str, seq: int) -> None:
    """Note the event that proposed a claim."""
    db.execute("UPDATE claim SET seq = ? WHERE id = ?", (seq, key))


def set_status(db: sqlite3.Connection, key: str, status: Status, seq: int) -> None:
    """Set a status the log has recorded."""
    db.execute("UPDATE claim SET status = ?, seq = ? WHERE id = ?", (status, seq, key))


def set_bench(db: sqlite3.Connection, key: str, benched: bool) -> bool:
    """Bench a claim or take it back; whether that changed anything."""
    query = "UPDATE claim SET benched = ? WHERE id = ? AND benched <> ?"
    return bool(db.execute(query, (benched, key, benched)).rowcount)


def claims_in(db: sqlite3.Connection, space: str) -> list[Row]:
    """All claims that may speak of a space, retired ones included, in order of ids."""
    query = (
        f"SELECT {_CLAIM} FROM claim WHERE id IN "
        "(SELECT claim FROM claim_scope WHERE space IN (?, '')) ORDER BY id"
    )
    return [_row(row) for row in db.execute(query, (space,))]


def rows_of(db: sqlite3.Connection, keys: Iterable[str]) -> list[Row]:
    """Claims by id, in the order asked for; unknown ids are left out."""
    wanted = list(keys)
    query = f"SELECT {_CLAIM} FROM claim WHERE id IN (SELECT value FROM json_each(?))"
    found = {row[0]: _row(row) for row in db.execute(query, (json.dumps(wanted),))}
    return [found[key] for key in wanted if key in found]


def _row(row: tuple[str, str, Status, str, int, int]) -> Row:
    key, body, status, evidence, unwanted, benched = row
    claim = Claim.model_validate_json(body)
    told = Evidence.model_validate_json(evidence)
    return Row(key, claim, status, told, bool(unwanted), bool(benched))


def opposed(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each claim, the ids of claims on the same topic that say the opposite."""
    rows = db.execute(
        "SELECT a.id, b.id FROM claim a JOIN claim b ON b.topic = a.topic AND "
        "b.direction <> a.direction WHERE a.id IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
        (json.dumps(list(keys)),),
    )
    found: dict[str, list[str]] = {}
    for one, other in rows:
        found.setdefault(one, []).append(other)
    return {key: tuple(others) for key, others in found.items()}


def heuristics(db: sqlite3.Connection, keys: Sequence[str]) -> tuple[Heuristic, ...]:
    """Claims by id as everybody outside sees them, in the order asked for."""
    against, lifts = opposed(db, keys), lift.lifts(db, keys)
    found: list[Heuristic] = []
    for row in rows_of(db, keys):
        told = lifts.get(row.id)
        found.append(
            Heuristic(
                id=row.id,
                claim=row.claim,
                status=row.status,
                evidence=row.evidence,
                lift=told.mean if told else None,
                lift_low=told.low if told else None,
                lift_high=told.high if told else None,
                lift_calls=told.calls if told else 0,
                benched=row.benched,
                conflicts=against.get(row.id, ()),
            )
        )
    return tuple(found)


def newest(db: sqlite3.Connection) -> int:
    """Number of the newest event that evidence depends on."""
    query = "SELECT coalesce(max(seq), 0) FROM event WHERE kind IN ('lesson', 'claim')"
    return int(db.execute(query).fetchone()[0])


def assessed(db: sqlite3.Connection, space: str) -> tuple[int, int]:
    """How far the evidence of a space is: number of its newest event, trainings there were."""
    query = "SELECT value FROM meta WHERE name = ?"
    row = db.execute(query, (f"assessed:{space}",)).fetchone()
    seq, trainings = row[0].split() if row else (0, 0)
    return int(seq), int(trainings)


def mark_assessed(db: sqlite3.Connection, space: str) -> None:
    """Note that the evidence of a space is as new as its trainings."""
    seen = (f"assessed:{space}", f"{newest(db)} {count(db, space)}")
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", seen)


def count(db: sqlite3.Connection, space: str) -> int:
    """Trainings of a space, of all runs."""
    query = "SELECT count(*) FROM training WHERE run IN (SELECT run FROM run WHERE space = ?)"
    return int(db.execute(query, (space,)).fetchone()[0])


def listed(
    db: sqlite3.Connection,
    status: Status | None,
    objective: Objective | None,
    place: tuple[str, str, str, str],
    limit: int,
) -> list[str]:
    """Ids of claims, strongest first; empty parts of a `(space, task, device, niche)` mean any."""
    where, values = ["1"], list[str | int]()
    if status:
        where.append("c.status = ?")
        values.append(status)
    if objective:
        where.append("c.objective = ?")
        values.append(objective)
    for name, wanted in zip(("space", "task", "device", "niche"), place, strict=True):
        if wanted:
            where.append(f"s.{name} IN (?, '')")
            values.append(wanted)
    rows = db.execute(
        "SELECT DISTINCT c.id FROM claim c JOIN claim_scope s ON s.claim = c.id "
        f"WHERE {' AND '.join(where)} ORDER BY c.score DESC, c.id LIMIT ?",
        (*values, limit),
    )
    return [row[0] for row in rows]


def starting_with(db: sqlite3.Connection, key: str) -> list[str]:
    """Ids that begin like this, at most two."""
    query = "SELECT id FROM claim WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 2"
    return [row[0] for row in db.execute(query, (len(key), key))] if key else []


def entries(db: sqlite3.Connection, after: tuple[int, str]) -> list[Entry]:
    """Claims changed after an event, in order of `(seq, id)`, for the index."""
    rows = db.execute(
        "SELECT seq, id, body, status, objective FROM claim WHERE (seq, id) > (?, ?) "
        "ORDER BY seq, id",
        after,
    )
    return [
        Entry(seq, key, Claim.model_validate_json(body).statement, status, objective)
        for seq, key, body, status, objective in rows
    ]
