"""Tables of what each run says of each claim, and of the sums over the runs of a context."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from llm_nas.claims import Claim
from llm_nas.knowledge.cells import RunPlace
from llm_nas.knowledge.evidence import Part
from llm_nas.knowledge.pooling import Sums

NAMES = ("part", "pooled")
SCHEMA = """
CREATE TABLE part (
    claim TEXT, dataset TEXT, device TEXT, run TEXT, number INTEGER NOT NULL, body TEXT NOT NULL,
    against TEXT, PRIMARY KEY (claim, dataset, device, run)
) WITHOUT ROWID;
CREATE INDEX part_against ON part (claim, number DESC) WHERE against IS NOT NULL;
CREATE TABLE pooled (
    claim TEXT, dataset TEXT, device TEXT, body TEXT NOT NULL,
    PRIMARY KEY (claim, dataset, device)
) WITHOUT ROWID;
"""


def replace_parts(
    db: sqlite3.Connection,
    place: RunPlace,
    number: int,
    claims: Mapping[str, Claim],
    parts: Mapping[str, Part],
) -> None:
    """Put in what a run now says of claims, by id, for what it said before; sums follow."""
    keys = json.dumps(list(parts))
    before = {
        key: _part(body)
        for key, body in db.execute(
            "SELECT claim, body FROM part WHERE claim IN (SELECT value FROM json_each(?)) "
            "AND dataset = ? AND device = ? AND run = ?",
            (keys, *place),
        )
    }
    pooled = {
        key: Sums(*json.loads(body))
        for key, body in db.execute(
            "SELECT claim, body FROM pooled WHERE claim IN (SELECT value FROM json_each(?)) "
            "AND dataset = ? AND device = ?",
            (keys, place.dataset, place.device),
        )
    }
    for key, part in parts.items():
        sums = pooled.get(key, Sums()).plus(Sums.of(claims[key], part))
        if key in before:
            sums = sums.minus(Sums.of(claims[key], before[key]))
        pooled[key] = sums
    db.executemany(
        "INSERT OR REPLACE INTO part VALUES (?,?,?,?,?,?,?)",
        [(key, *place, number, json.dumps(part), _against(part)) for key, part in parts.items()],
    )
    db.executemany(
        "INSERT OR REPLACE INTO pooled VALUES (?,?,?,?)",
        [(key, place.dataset, place.device, json.dumps(pooled[key])) for key in parts],
    )


def _part(body: str) -> Part:
    *fields, examples = json.loads(body)
    return Part._make([*fields, tuple(examples)])


def _against(part: Part) -> str | None:
    return json.dumps(part.counter_examples) if part.counter_examples else None


def sums_of(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, dict[str, Sums]]:
    """Sums by claim id and context (`dataset/device`), contexts in order."""
    found: dict[str, dict[str, Sums]] = {key: {} for key in keys}
    rows = db.execute(
        "SELECT claim, dataset || '/' || device, body FROM pooled WHERE claim IN "
        "(SELECT value FROM json_each(?)) ORDER BY claim, dataset, device",
        (json.dumps(list(keys)),),
    )
    for key, context, body in rows:
        found[key][context] = Sums(*json.loads(body))
    return found


def counter_examples(
    db: sqlite3.Connection, keys: Sequence[str], most: int
) -> dict[str, tuple[int, ...]]:
    """Up to `most` cells that speak against each claim, those of the newest runs first."""
    rows = db.execute(
        "SELECT k.value, (SELECT json_group_array(json(against)) FROM (SELECT against FROM part "
        "WHERE claim = k.value AND against IS NOT NULL ORDER BY number DESC LIMIT ?)) "
        "FROM json_each(?) k",
        (most, json.dumps(list(keys))),
    )
    return {
        key: tuple(dict.fromkeys(cell for cells in json.loads(lists) for cell in cells))[:most]
        for key, lists in rows
    }
