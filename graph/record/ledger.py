"""The ledger of a run: what was paid for, and what each niche and generation came to.

SQLite, in the run's `checkpoint.sqlite` beside LangGraph's tables. A training is committed before
anybody acts on it, so a killed run never pays for it again; a generation reads only what was
known before it, so a resumed run sees what the first attempt saw.
"""

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from llm_nas.claims import Claim
from llm_nas.domain import (
    Arch,
    Candidate,
    Failure,
    Measurement,
    ProposalCounts,
    RoleUsage,
    Timing,
    TraceEvent,
    Verdict,
)
from llm_nas.frozen import Frozen
from llm_nas.graph.steps.steer import Wish
from llm_nas.ports import Trial

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurement (
    arch TEXT PRIMARY KEY, generation INTEGER, rank INTEGER, seq INTEGER, niche TEXT,
    trainings REAL, seconds REAL, body TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failure (
    arch TEXT PRIMARY KEY, generation INTEGER, niche TEXT, trainings REAL, seconds REAL, body TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timing (
    arch TEXT PRIMARY KEY, generation INTEGER, seconds REAL, body TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (
    generation INTEGER, niche TEXT, rank INTEGER, body TEXT, events TEXT,
    PRIMARY KEY (generation, niche)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock (part TEXT PRIMARY KEY, seconds REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wish (
    generation INTEGER, seq INTEGER, body TEXT, PRIMARY KEY (generation, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage (role TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
"""
RUN = "run"
"""Niche name of what concerns the whole run."""
_ALL = 2**62

V = TypeVar("V", bound=Frozen)


class Outcome(Frozen):
    """What one niche and generation came to, as later generations read it."""

    niche: str
    claims: tuple[Claim, ...] = ()
    keep: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
    rejected: tuple[Verdict, ...] = ()
    offered: tuple[Candidate, ...] = ()
    """Legal, new candidates for which no slot was left."""
    counts_by: dict[str, ProposalCounts] = Field(default_factory=dict[str, ProposalCounts])
    """How proposals fared, by origin."""
    gains: dict[str, tuple[float, ...]] = Field(default_factory=dict[str, tuple[float, ...]])
    """What trained networks added to the run's front, by origin."""


class Ledger:
    """Durable record of one run; safe to use from several threads."""

    def __init__(self, path: Path, niches: Sequence[str]) -> None:
        """Open or create; `niches` fixes the order in which niches are read back."""
        self.folder = path.parent
        self._lock = threading.Lock()
        self._rank = {niche: rank for rank, niche in enumerate(niches)}
        self._db = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_SCHEMA)
        # What was measured is read many times a generation; rows never change once written.
        self._measured = self._values(
            Measurement, "SELECT body FROM measurement ORDER BY generation, rank, seq"
        )

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def measured(self, before: int = _ALL) -> tuple[Measurement, ...]:
        """Trainings of the generations before `before`, by generation, niche and time."""
        with self._lock:
            return tuple(m for m in self._measured if m.generation < before)

    def rows(self) -> list[Measurement | Failure]:
        """Everything that was paid for, in order; failures at the end of their generation."""
        query = """SELECT generation, body FROM failure WHERE trainings > 0
            ORDER BY generation, arch"""
        with self._lock, closing(self._db.execute(query)) as found:
            failed = [(int(g), Failure.model_validate_json(body)) for g, body in found]
        paid: list[tuple[int, Measurement | Failure]] = [
            (m.generation, m) for m in self.measured()
        ]
        return [row for _, row in sorted([*paid, *failed], key=lambda pair: pair[0])]

    def measured_in(self, generation: int, niche: str) -> tuple[Measurement, ...]:
        """What one niche trained in one generation, in order."""
        with self._lock:
            found = (m for m in self._measured if (m.generation, m.niche) == (generation, niche))
            return tuple(found)

    def failures(self, before: int = _ALL) -> tuple[Failure, ...]:
        """What did not work in the generations before `before`."""
        query = "SELECT body FROM failure WHERE generation < ? ORDER BY generation, arch"
        return tuple(self._values(Failure, query, before))

    def failures_in(self, generation: int, niche: str) -> tuple[Failure, ...]:
        """What did not work in one niche and generation."""
        query = "SELECT body FROM failure WHERE generation = ? AND niche = ? ORDER BY arch"
        return tuple(self._values(Failure, query, generation, niche))

    def timings(self, before: int = _ALL) -> tuple[Timing, ...]:
        """Timings taken in the generations before `before`, on devices that measure."""
        query = "SELECT body FROM timing WHERE generation < ? ORDER BY generation, arch"
        return tuple(self._values(Timing, query, before))

    def timing_of(self, arch: Arch) -> Timing | None:
        """The timing of one architecture, whenever it was taken."""
        found = self._values(Timing, "SELECT body FROM timing WHERE arch = ?", arch)
        return found[0] if found else None

    def spent(self, before: int = _ALL) -> float:
        """Trainings paid for in the generations before `before`, failed ones included."""
        query = """SELECT total(trainings) FROM (
            SELECT generation, trainings FROM measurement
            UNION ALL SELECT generation, trainings FROM failure) WHERE generation < ?"""
        with self._lock:
            return float(self._db.execute(query, (before,)).fetchone()[0])

    def seconds(self) -> dict[str, float]:
        """Seconds by part: `training` and `timing` as charged, the rest as kept on the clock."""
        with self._lock:
            rows = dict(self._db.execute("SELECT part, seconds FROM clock"))
            for part, table in (("training", "measurement"), ("timing", "timing")):
                query = f"SELECT total(seconds) FROM {table}"
                rows[part] = float(self._db.execute(query).fetchone()[0])
            failed = self._db.execute("SELECT total(seconds) FROM failure").fetchone()[0]
        rows["training"] += float(failed)
        return rows

    def add_seconds(self, parts: Mapping[str, float]) -> None:
        """Add to the run's clock: it goes on over a resume."""
        with self._lock, self._db:
            self._db.executemany(
                "INSERT INTO clock VALUES (?, ?) ON CONFLICT (part) "
                "DO UPDATE SET seconds = seconds + excluded.seconds",
                list(parts.items()),
            )

    def pay(self, measurement: Measurement) -> None:
        """Commit one training; one that is already there stays as it is."""
        m = measurement
        with self._lock, self._db:
            (seq,) = self._db.execute(
                "SELECT count(*) FROM measurement WHERE generation = ? AND niche = ?",
                (m.generation, m.niche),
            ).fetchone()
            rank = self._rank[m.niche]
            body = (m.trainings, m.seconds, m.model_dump_json())
            added = self._db.execute(
                "INSERT OR IGNORE INTO measurement VALUES (?,?,?,?,?,?,?,?)",
                (m.arch, m.generation, rank, seq, m.niche, *body),
            ).rowcount
        if added:
            self._insert(measurement)

    def retime(self, measured: Sequence[Measurement]) -> None:
        """Put other latencies in the place of what was measured: a fork for another device."""
        rows = [(m.model_dump_json(), m.arch) for m in measured]
        with self._lock, self._db:
            self._db.executemany("UPDATE measurement SET body = ? WHERE arch = ?", rows)
            self._measured = list(measured)

    def _insert(self, new: Measurement) -> None:
        def place(m: Measurement) -> tuple[int, int]:
            return (m.generation, self._rank[m.niche])

        with self._lock:
            self._measured.append(new)
            self._measured.sort(key=place)  # stable: within a niche the order of training

    def fail(self, failure: Failure, generation: int, niche: str) -> None:
        """Commit something that did not work; it is never tried again."""
        cost = (failure.trainings, failure.seconds)
        row = (failure.arch, generation, niche, *cost, failure.model_dump_json())
        with self._lock, self._db:
            self._db.execute("INSERT OR IGNORE INTO failure VALUES (?,?,?,?,?,?)", row)

    def time(self, timing: Timing, generation: int) -> None:
        """Commit one timing; the first of an architecture stays."""
        row = (timing.arch, generation, timing.seconds, timing.model_dump_json())
        with self._lock, self._db:
            self._db.execute("INSERT OR IGNORE INTO timing VALUES (?,?,?,?)", row)

    def record(self, generation: int, outcome: Outcome, events: Sequence[TraceEvent]) -> None:
        """Keep the outcome of a niche and generation with its events; the first one stays."""
        told = json.dumps([e.model_dump(mode="json") for e in events])
        rank = self._rank.get(outcome.niche, len(self._rank))
        row = (generation, outcome.niche, rank, outcome.model_dump_json(), told)
        with self._lock, self._db:
            self._db.execute("INSERT OR IGNORE INTO outcome VALUES (?,?,?,?,?)", row)

    def outcomes(
        self, generation: int | None = None, niche: str | None = None, before: int = _ALL
    ) -> tuple[Outcome, ...]:
        """Outcomes by generation, then niche; all, or those of one generation or niche."""
        query = "SELECT body FROM outcome WHERE niche != ? AND generation < ?"
        values: list[object] = [RUN, before]
        for column, value in (("generation", generation), ("niche", niche)):
            if value is not None:
                query += f" AND {column} = ?"
                values.append(value)
        return tuple(self._values(Outcome, query + " ORDER BY generation, rank", *values))

    def recorded(self, generation: int, niche: str) -> bool:
        """Whether this niche (or the run itself) is done with this generation."""
        query = "SELECT 1 FROM outcome WHERE generation = ? AND niche = ?"
        with self._lock:
            return self._db.execute(query, (generation, niche)).fetchone() is not None

    def anything_in(self, generation: int) -> bool:
        """Whether a generation trained or timed anything, or learned that something fails."""
        query = """SELECT 1 FROM (SELECT generation FROM measurement
            UNION ALL SELECT generation FROM failure
            UNION ALL SELECT generation FROM timing) WHERE generation = ?"""
        with self._lock:
            return self._db.execute(query, (generation,)).fetchone() is not None

    def trained_since(self, generation: int) -> bool:
        """Whether anything was paid for in a generation or a later one."""
        query = """SELECT 1 FROM (SELECT generation FROM measurement
            UNION ALL SELECT generation FROM failure WHERE trainings > 0)
            WHERE generation >= ?"""
        with self._lock:
            return self._db.execute(query, (generation,)).fetchone() is not None

    def next_generation(self) -> int:
        """The first generation the run as a whole is not done with: 0 in a new run."""
        query = "SELECT max(generation) FROM outcome WHERE niche = ?"
        with self._lock:
            found = self._db.execute(query, (RUN,)).fetchone()[0]
        return 0 if found is None else int(found) + 1

    def last_generation(self) -> int:
        """The latest generation in which anything was paid for or recorded; -1 before any."""
        query = """SELECT max(generation) FROM (SELECT generation FROM outcome
            UNION ALL SELECT generation FROM measurement)"""
        with self._lock:
            found = self._db.execute(query).fetchone()[0]
        return -1 if found is None else int(found)

    def blocks(self, generation: int | None = None) -> list[list[TraceEvent]]:
        """Events by niche of one generation, or (None) of all that the whole run is done with.

        A generation that is not done may lack a niche that stands between two others.
        """
        query = """SELECT events FROM outcome WHERE generation = ? OR (? IS NULL AND generation <=
            (SELECT max(generation) FROM outcome WHERE niche = ?)) ORDER BY generation, rank"""
        with self._lock, closing(self._db.execute(query, (generation, generation, RUN))) as rows:
            told: list[list[Any]] = [json.loads(row[0]) for row in rows]
        return [[TraceEvent.model_validate(event) for event in block] for block in told]

    def steered(self, generation: int) -> bool:
        """Whether the wishes of a generation were read."""
        query = "SELECT 1 FROM wish WHERE generation = ?"
        with self._lock:
            return self._db.execute(query, (generation,)).fetchone() is not None

    def wishes_read(self) -> int:
        """Lines of the file of wishes that were read so far."""
        with self._lock:
            query = "SELECT count(*) FROM wish WHERE seq >= 0"
            return int(self._db.execute(query).fetchone()[0])

    def keep_wishes(self, generation: int, asked: Sequence[Wish | None]) -> None:
        """Keep what was read at the start of a generation, a row a line and one for the whole."""
        bodies = ["" if w is None else w.model_dump_json() for w in asked]
        rows = [(generation, -1, ""), *((generation, i, body) for i, body in enumerate(bodies))]
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO wish VALUES (?,?,?)", rows)

    def wishes_of(self, generation: int | None = None) -> tuple[Wish, ...]:
        """Wishes that were read at the start of a generation, or of all of them, in order."""
        query = """SELECT body FROM wish WHERE body != '' AND (? IS NULL OR generation = ?)
            ORDER BY generation, seq"""
        return tuple(self._values(Wish, query, generation, generation))

    def keep_usage(self, usage: Mapping[str, RoleUsage]) -> None:
        """Remember what models cost so far, by role."""
        rows = [(role, spent.model_dump_json()) for role, spent in usage.items()]
        with self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO usage VALUES (?,?)", rows)

    def usage(self) -> dict[str, RoleUsage]:
        """What models had cost when that was last kept."""
        with self._lock, closing(self._db.execute("SELECT role, body FROM usage")) as rows:
            return {role: RoleUsage.model_validate_json(body) for role, body in rows}

    def _values(self, kind: type[V], query: str, *values: object) -> list[V]:
        with self._lock, closing(self._db.execute(query, values)) as rows:
            return [kind.model_validate_json(row[0]) for row in rows]
