"""Tables derived from the event log: cells, claims, their evidence and lift.

All can be dropped and filled again; they change in the transaction that appends the event.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from llm_nas.claims import Claim, Evidence, Heuristic, Scope, Status, canonical
from llm_nas.evaluation.lift import lift_of
from llm_nas.knowledge import parts, trials
from llm_nas.knowledge.ranking import worth

VERSION = 3
"""Layout of the derived tables; another one in a file makes the store rebuild them."""

_NAMES = ("cell", "run_place", "claim", "claim_scope", "alias", *parts.NAMES, *trials.NAMES)

_SCHEMA = """
CREATE TABLE cell (
    space TEXT, dataset TEXT, device TEXT, run TEXT, arch TEXT, niche TEXT, generation INTEGER,
    number INTEGER, accuracy_pct REAL, latency_ms REAL, energy_mj REAL,
    PRIMARY KEY (space, dataset, device, run, arch)
) WITHOUT ROWID;
CREATE TABLE run_place (
    number INTEGER PRIMARY KEY, space TEXT, dataset TEXT, device TEXT, run TEXT,
    UNIQUE (space, dataset, device, run)
);
CREATE TABLE claim (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, topic TEXT NOT NULL, objective TEXT NOT NULL,
    direction TEXT NOT NULL, status TEXT NOT NULL, evidence TEXT NOT NULL, score REAL NOT NULL,
    seq INTEGER NOT NULL, fingerprint TEXT, unwanted INTEGER NOT NULL DEFAULT 0,
    benched INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL
);
CREATE INDEX claim_print ON claim (fingerprint);
CREATE TABLE alias (alias TEXT PRIMARY KEY, claim TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX cell_arch ON cell (arch);
CREATE INDEX claim_topic ON claim (topic);
CREATE INDEX claim_seq ON claim (seq);
CREATE TABLE claim_scope (
    claim TEXT, dataset TEXT, device TEXT, niche TEXT, score REAL,
    PRIMARY KEY (claim, dataset, device, niche)
) WITHOUT ROWID;
CREATE INDEX scope_rank ON claim_scope (dataset, device, niche, score DESC, claim);
"""


State: TypeAlias = tuple[str, Status, str, float, int | None]
"""Claim id, status, evidence (JSON), ranking score and the event of a new status, if new."""


class Held(NamedTuple):
    """Status, evidence (JSON) and whether an analyst wants a claim dropped."""

    status: Status
    evidence: str
    unwanted: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A claim as the tables hold it."""

    id: str
    claim: Claim
    status: Status
    evidence: Evidence
    benched: bool


def topic(claim: Claim) -> str:
    """What a claim is about, whatever it says of it: space, condition and objective, hashed."""
    core = [claim.scope.space, canonical(claim.condition).model_dump(), claim.effect.objective]
    return hashlib.sha256(json.dumps(core, sort_keys=True).encode()).hexdigest()[:16]


def reset(db: sqlite3.Connection) -> None:
    """Drop and recreate the derived tables, empty."""
    for name in _NAMES:
        db.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in f"{_SCHEMA};{parts.SCHEMA};{trials.SCHEMA}".split(";"):
        db.execute(statement)
    db.execute("INSERT OR REPLACE INTO meta VALUES ('projection', ?)", (str(VERSION),))


def version(db: sqlite3.Connection) -> int:
    """Layout version of the derived tables in a file, 0 when there are none."""
    row = db.execute("SELECT value FROM meta WHERE name = 'projection'").fetchone()
    return int(row[0]) if row else 0


def add_claim(
    db: sqlite3.Connection, claim: Claim, fingerprint: str | None, seq: int, since: int
) -> None:
    """Insert a claim that is not there yet, as proposed, for runs above number `since` to test."""
    key = claim.key
    score = worth(claim, "proposed", Evidence())
    db.execute(
        "INSERT INTO claim (id, body, topic, objective, direction, status, evidence, score, seq, "
        "fingerprint, since) VALUES (?,?,?,?,?,'proposed',?,?,?,?,?)",
        (
            key,
            claim.model_dump_json(),
            topic(claim),
            claim.effect.objective,
            claim.effect.direction,
            Evidence().model_dump_json(),
            score,
            seq,
            fingerprint,
            since,
        ),
    )
    db.executemany(
        "INSERT INTO claim_scope VALUES (?,?,?,?,?)",
        [(key, *place, score) for place in places(claim.scope)],
    )


def resolve_alias(db: sqlite3.Connection, key: str) -> str | None:
    """The id under which a claim is kept, None when the store does not know it."""
    row = db.execute(
        "SELECT id FROM claim WHERE id = ? UNION SELECT claim FROM alias WHERE alias = ?",
        (key, key),
    ).fetchone()
    return None if row is None else str(row[0])


def twin_of(db: sqlite3.Connection, fingerprint: str) -> str | None:
    """The claim that says the same of the same cells, if there is one."""
    row = db.execute("SELECT id FROM claim WHERE fingerprint = ?", (fingerprint,)).fetchone()
    return None if row is None else str(row[0])


def add_alias(db: sqlite3.Connection, alias: str, key: str) -> None:
    """Let another id stand for a claim."""
    db.execute("INSERT OR REPLACE INTO alias VALUES (?, ?)", (alias, key))


def vote(db: sqlite3.Connection, keys: Sequence[str], *, unwanted: bool) -> None:
    """Note that an analyst wants claims dropped or kept."""
    db.executemany("UPDATE claim SET unwanted = ? WHERE id = ?", [(unwanted, k) for k in keys])


def set_seq(db: sqlite3.Connection, key: str, seq: int) -> None:
    """Note the event that brought a claim."""
    db.execute("UPDATE claim SET seq = ? WHERE id = ?", (seq, key))


def set_status(db: sqlite3.Connection, key: str, status: Status, seq: int) -> None:
    """Set a status the log has recorded."""
    db.execute("UPDATE claim SET status = ?, seq = ? WHERE id = ?", (status, seq, key))


def set_bench(db: sqlite3.Connection, key: str, benched: bool) -> bool:
    """Bench a claim or take it back; whether that changed anything."""
    query = "UPDATE claim SET benched = ? WHERE id = ? AND benched <> ?"
    return bool(db.execute(query, (benched, key, benched)).rowcount)


def places(scope: Scope) -> list[tuple[str, str, str]]:
    """Every (dataset, device, niche) a scope names; '' stands for everywhere."""
    return [
        (dataset, device, niche)
        for dataset in scope.datasets or ("",)
        for device in scope.devices or ("",)
        for niche in scope.niches or ("",)
    ]


def set_state(db: sqlite3.Connection, states: Sequence[State]) -> None:
    """Write status, evidence and ranking score of claims, and the event of a new status."""
    db.executemany(
        "UPDATE claim SET status = ?, evidence = ?, score = ?, seq = coalesce(?, seq) "
        "WHERE id = ?",
        [(*rest, key) for key, *rest in states],
    )
    db.executemany(
        "UPDATE claim_scope SET score = ? WHERE claim = ?",
        [(score, key) for key, _, _, score, _ in states],
    )


def states_of(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Held]:
    """What the tables hold of claims, by id, in the order asked for."""
    rows = db.execute(
        "SELECT c.id, c.status, c.evidence, c.unwanted FROM json_each(?) k "
        "JOIN claim c ON c.id = k.value ORDER BY k.key",
        (json.dumps(keys),),
    )
    return {
        key: Held(status, evidence, bool(unwanted)) for key, status, evidence, unwanted in rows
    }


def bodies_of(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Claim]:
    """Claims by id."""
    rows = db.execute(
        "SELECT id, body FROM claim WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(keys),),
    )
    return {key: Claim.model_validate_json(body) for key, body in rows}


def claims_about(
    db: sqlite3.Connection, dataset: str, device: str, number: int = 2**62
) -> list[str]:
    """Ids of claims whose scope takes in a context and which run `number` may test, in order."""
    rows = db.execute(
        "SELECT DISTINCT s.claim FROM claim_scope s JOIN claim c ON c.id = s.claim "
        "WHERE s.dataset IN (?, '') AND s.device IN (?, '') AND c.since < ? ORDER BY s.claim",
        (dataset, device, number),
    )
    return [row[0] for row in rows]


def keys_about(db: sqlite3.Connection, dataset: str, device: str) -> list[str]:
    """Keys under which claims about a context are known: their ids and aliases."""
    found = claims_about(db, dataset, device)
    rows = db.execute(
        "SELECT alias FROM alias WHERE claim IN (SELECT value FROM json_each(?))",
        (json.dumps(found),),
    )
    return [*found, *(row[0] for row in rows)]


def benched(db: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    """Which of these claims are shown no more, because they did harm."""
    query = "SELECT id FROM claim WHERE benched AND id IN (SELECT value FROM json_each(?))"
    return {row[0] for row in db.execute(query, (json.dumps(list(keys)),))}


def rows_of(db: sqlite3.Connection, keys: Sequence[str]) -> list[Row]:
    """Claims by id, in the order asked for; unknown ids are left out."""
    query = "SELECT id, body, status, evidence, benched FROM claim WHERE id IN "
    rows = db.execute(query + "(SELECT value FROM json_each(?))", (json.dumps(list(keys)),))
    found = {
        key: Row(
            key,
            Claim.model_validate_json(body),
            status,
            Evidence.model_validate_json(evidence),
            bool(benched),
        )
        for key, body, status, evidence, benched in rows
    }
    return [found[key] for key in keys if key in found]


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
    against, sums = opposed(db, keys), trials.tallies(db, keys)
    found: list[Heuristic] = []
    for row in rows_of(db, keys):
        lift = lift_of(sums[row.id]) if row.id in sums else None
        found.append(
            Heuristic(
                id=row.id,
                claim=row.claim,
                status=row.status,
                evidence=row.evidence,
                lift=lift.gain.mean if lift else None,
                lift_low=lift.gain.low if lift else None,
                lift_high=lift.gain.high if lift else None,
                lift_calls=lift.calls if lift else 0,
                valid_lift=lift.validity.mean if lift else None,
                valid_low=lift.validity.low if lift else None,
                valid_high=lift.validity.high if lift else None,
                benched=row.benched,
                conflicts=against.get(row.id, ()),
            )
        )
    return tuple(found)
