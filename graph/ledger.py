"""The ledger of a run: what was paid for, and what each niche and generation came to.

SQLite, in the run's `checkpoint.sqlite` beside LangGraph's tables. A measurement is committed
before anybody acts on it, so a killed run never asks for it again; a generation reads only
what was measured before it, so a resumed run sees what the first attempt saw.
"""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from pydantic import Field

from llm_nas.claims import Claim
from llm_nas.domain import CountsBy, Frozen, Measurement, ProposalCounts, RoleUsage, Verdict
from llm_nas.evaluation.remedies import Remedy
from llm_nas.ports import Trial

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurement (
    arch TEXT PRIMARY KEY, generation INTEGER, niche TEXT, rank INTEGER, seq INTEGER,
    predicted_accuracy_pct REAL, latency_ms REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (
    generation INTEGER, niche TEXT, rank INTEGER, body TEXT, PRIMARY KEY (generation, niche)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage (role TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
"""


class Outcome(Frozen):
    """What one niche and generation came to, as the join reads it."""

    niche: str
    claims: tuple[Claim, ...] = ()
    keep: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
    rejected: tuple[Verdict, ...] = ()
    counts: ProposalCounts = ProposalCounts()
    counts_by: CountsBy = Field(default_factory=dict)
    remedies: tuple[Remedy, ...] = ()
    """Counter-measures that were taken."""
    gains: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """What measured children would have added to the run's front, by source."""


class Ledger:
    """Durable record of one run; safe to use from several threads."""

    def __init__(self, path: Path, niches: Sequence[str]) -> None:
        """Open or create; `niches` fixes the order in which niches are read back."""
        self._lock = threading.Lock()
        self._rank = {niche: rank for rank, niche in enumerate(niches)}
        self._db = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def measured(self, before: int | None = None) -> tuple[Measurement, ...]:
        """Measurements of the generations before `before` (all: None), in a fixed order."""
        bound = 2**62 if before is None else before
        return self._measurements("generation < ? ORDER BY generation, rank, seq", bound)

    def measured_in(self, generation: int, niche: str) -> tuple[Measurement, ...]:
        """What one niche measured in one generation."""
        return self._measurements("generation = ? AND niche = ? ORDER BY seq", generation, niche)

    def _measurements(self, where: str, *values: object) -> tuple[Measurement, ...]:
        columns = "arch, niche, generation, predicted_accuracy_pct, latency_ms"
        query = f"SELECT {columns} FROM measurement WHERE {where}"
        with self._lock, closing(self._db.execute(query, values)) as rows:
            names = columns.split(", ")
            return tuple(
                Measurement.model_validate(dict(zip(names, row, strict=True))) for row in rows
            )

    def measure(
        self,
        generation: int,
        niche: str,
        archs: Sequence[str],
        ask: Callable[[Sequence[str]], Sequence[tuple[float, float]]],
    ) -> tuple[Measurement, ...]:
        """Measure cells, asking only for those the run has not paid for, and commit them.

        `ask` gives (predicted accuracy in %, latency in ms) per cell.
        """
        with self._lock:
            known = {row[0] for row in self._db.execute("SELECT arch FROM measurement")}
            new = [arch for arch in archs if arch not in known]
            answers: Sequence[tuple[float, float]] = ask(new) if new else ()
            start = self._db.execute(
                "SELECT count(*) FROM measurement WHERE generation = ? AND niche = ?",
                (generation, niche),
            ).fetchone()[0]
            rows = [
                (arch, generation, niche, self._rank[niche], start + i, *answer)
                for i, (arch, answer) in enumerate(zip(new, answers, strict=True))
            ]
            with self._db:
                self._db.executemany("INSERT INTO measurement VALUES (?,?,?,?,?,?,?)", rows)
        return self.measured_in(generation, niche)

    def record(self, generation: int, outcome: Outcome) -> None:
        """Keep the outcome of a niche and generation; the last one written stays."""
        row = (generation, outcome.niche, self._rank[outcome.niche], outcome.model_dump_json())
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO outcome VALUES (?,?,?,?)", row)

    def outcomes(
        self, generation: int | None = None, niche: str | None = None, before: int | None = None
    ) -> tuple[Outcome, ...]:
        """Outcomes by generation, then niche; all, or those of one generation or niche."""
        query = "SELECT body FROM outcome WHERE 1"
        values: list[object] = []
        for clause, value in (
            ("generation = ?", generation),
            ("niche = ?", niche),
            ("generation < ?", before),
        ):
            if value is not None:
                query += f" AND {clause}"
                values.append(value)
        query += " ORDER BY generation, rank"
        with self._lock, closing(self._db.execute(query, values)) as rows:
            return tuple(Outcome.model_validate_json(row[0]) for row in rows)

    def keep_usage(self, usage: Mapping[str, RoleUsage]) -> None:
        """Remember what models cost so far, by role."""
        rows = [(role, spent.model_dump_json()) for role, spent in usage.items()]
        with self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO usage VALUES (?,?)", rows)

    def usage(self) -> dict[str, RoleUsage]:
        """What models had cost when that was last kept."""
        with self._lock, closing(self._db.execute("SELECT role, body FROM usage")) as rows:
            return {role: RoleUsage.model_validate_json(body) for role, body in rows}
