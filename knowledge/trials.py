"""Tables of designer calls: which heuristics were shown, which withheld, what children gained."""

import json
import sqlite3
from collections.abc import Sequence

from llm_nas.evaluation.lift import Call, Side, Tally
from llm_nas.ports import Lesson, Trial

NAMES = ("trial", "lift")
_SIDES = ("shown", "held")
_SUMS = ("", "_gain", "_square", "_valid", "_valid_square")
"""Suffixes of a side's columns: calls, and sums of gain, gain², validity and validity²."""
_COLUMNS = ", ".join(f"{side}{suffix} REAL NOT NULL" for side in _SIDES for suffix in _SUMS)
SCHEMA = f"""
CREATE TABLE trial (
    arch TEXT, run TEXT, generation INTEGER, shown TEXT NOT NULL, withheld TEXT NOT NULL,
    valid INTEGER NOT NULL, gain REAL NOT NULL, PRIMARY KEY (arch, run, generation)
) WITHOUT ROWID;
CREATE TABLE lift (claim TEXT PRIMARY KEY, {_COLUMNS}) WITHOUT ROWID;
"""


def add_trials(db: sqlite3.Connection, lesson: Lesson) -> set[str]:
    """Add a lesson's children to the lift sums; ids of the heuristics concerned.

    Children of one designer call share their prompt and are no independent looks, so the unit
    is the call: children with the same shown and withheld heuristics are averaged first.
    """
    calls: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Trial]] = {}
    for trial in lesson.trials:
        calls.setdefault((trial.shown, trial.withheld), []).append(trial)
    place = (lesson.run, lesson.generation)
    db.executemany(
        "INSERT OR IGNORE INTO trial VALUES (?,?,?,?,?,?,?)",
        [
            (t.arch, *place, json.dumps(t.shown), json.dumps(t.withheld), t.valid, t.gain)
            for t in lesson.trials
        ],
    )
    touched: set[str] = set()
    for (shown, withheld), children in calls.items():
        sums = Side.of([Call.of([(child.gain, child.valid) for child in children])])
        for side, keys in zip(_SIDES, (shown, withheld), strict=True):
            touched |= set(keys)
            db.executemany(_ADD_CALL[side], [(key, *sums) for key in keys])
    return touched


def _add_call(side: str) -> str:
    """Statement that adds a call to one side; a new row starts with nothing on the other."""
    own = [side + suffix for suffix in _SUMS]
    others = [s + suffix for s in _SIDES if s != side for suffix in _SUMS]
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in own)
    return (
        f"INSERT INTO lift (claim, {', '.join([*own, *others])}) "
        f"VALUES ({', '.join('?' * (1 + len(own)))}, {', '.join('0' * len(others))}) "
        f"ON CONFLICT (claim) DO UPDATE SET {added}"
    )


_ADD_CALL = {side: _add_call(side) for side in _SIDES}


def tallies(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Tally]:
    """Lift sums of claims that were ever shown or withheld."""
    rows = db.execute(
        "SELECT * FROM lift WHERE claim IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    )
    middle = 1 + len(_SUMS)
    return {row[0]: Tally(Side(*row[1:middle]), Side(*row[middle:])) for row in rows}
