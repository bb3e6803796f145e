"""The table of measured cells: what runs measured, where."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from llm_nas.domain import FloatArray, IntArray, Measurement
from llm_nas.knowledge.evidence import Sample
from llm_nas.ports import Lesson


class RunPlace(NamedTuple):
    """Where a run measured."""

    dataset: str
    device: str
    run: str


class Place(NamedTuple):
    """A dataset and a device, written `dataset/device`."""

    dataset: str
    device: str

    def __str__(self) -> str:
        return f"{self.dataset}/{self.device}"


def add_cells(db: sqlite3.Connection, lesson: Lesson, numbers: Mapping[str, int | None]) -> None:
    """Record measured cells; one that this run measured before is left as it was."""

    def row(cell: Measurement) -> tuple[object, ...]:
        where = (lesson.space, lesson.dataset, lesson.device, lesson.run, cell.arch, cell.niche)
        energy_mj = lesson.energy_mj.get(cell.arch)
        values = (cell.predicted_accuracy_pct, cell.latency_ms, energy_mj)
        return (*where, cell.generation, numbers[cell.arch], *values)

    db.executemany(
        "INSERT OR IGNORE INTO cell VALUES (?,?,?,?,?,?,?,?,?,?,?)", map(row, lesson.measured)
    )
    db.execute(
        "INSERT OR IGNORE INTO run_place (space, dataset, device, run) VALUES (?, ?, ?, ?)",
        (lesson.space, lesson.dataset, lesson.device, lesson.run),
    )


def sample(db: sqlite3.Connection, space: str, place: RunPlace) -> Sample:
    """Cells a run measured in a context, one row per distinct cell of the space."""
    rows = db.execute(
        "SELECT number, avg(accuracy_pct), avg(latency_ms), avg(energy_mj) FROM cell "
        "WHERE space = ? AND dataset = ? AND device = ? AND run = ? AND number IS NOT NULL "
        "GROUP BY number ORDER BY number",
        (space, place.dataset, place.device, place.run),
    ).fetchall()
    return _sample(rows)


def samples_by_place(db: sqlite3.Connection, space: str) -> dict[Place, Sample]:
    """Distinct measured cells of every place with their mean over runs."""
    rows = db.execute(
        "SELECT dataset, device, number, avg(accuracy_pct), avg(latency_ms), avg(energy_mj) "
        "FROM cell WHERE space = ? AND number IS NOT NULL "
        "GROUP BY dataset, device, number ORDER BY dataset, device, number",
        (space,),
    )
    found: dict[Place, list[tuple[object, ...]]] = {}
    for dataset, device, *values in rows:
        found.setdefault(Place(dataset, device), []).append(tuple(values))
    return {place: _sample(cells) for place, cells in found.items()}


def _sample(rows: Sequence[tuple[object, ...]]) -> Sample:
    """Rows of (number, accuracy, latency, energy) as arrays."""
    table: FloatArray = np.array(rows, dtype=np.float64).reshape(-1, 4)
    numbers: IntArray = table[:, 0].astype(np.int64)
    return Sample(numbers, table[:, 1], table[:, 2], table[:, 3])


def run_places(db: sqlite3.Connection, space: str, after: int) -> list[RunPlace]:
    """Runs with their contexts whose number is above `after`, newest first."""
    query = (
        "SELECT dataset, device, run FROM run_place WHERE number > ? AND space = ? "
        "ORDER BY number DESC"
    )
    return [RunPlace(*row) for row in db.execute(query, (after, space))]


def number_of(db: sqlite3.Connection, space: str, place: RunPlace) -> int:
    """The number of a run in a context; they rise in the order of arrival."""
    query = (
        "SELECT number FROM run_place WHERE space = ? AND dataset = ? AND device = ? AND run = ?"
    )
    return int(db.execute(query, (space, *place)).fetchone()[0])


def has_energy(db: sqlite3.Connection, device: str) -> bool:
    """Whether energies were measured on a device."""
    query = "SELECT 1 FROM cell WHERE device = ? AND energy_mj IS NOT NULL LIMIT 1"
    return db.execute(query, (device,)).fetchone() is not None


def newest_number(db: sqlite3.Connection) -> int:
    """The number of the run that arrived last, 0 for none."""
    return int(db.execute("SELECT coalesce(max(number), 0) FROM run_place").fetchone()[0])


def contexts(db: sqlite3.Connection) -> tuple[str, ...]:
    """Every `dataset/device` with measured cells, in order."""
    query = "SELECT DISTINCT dataset || '/' || device FROM run_place ORDER BY 1"
    return tuple(row[0] for row in db.execute(query))
