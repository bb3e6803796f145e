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
        "INSERT OR IGNORE INTO run_place VALUES (?, ?, ?, ?, (SELECT count(*) FROM run_place))",
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
    table: FloatArray = np.array(rows, dtype=np.float64).reshape(-1, 4)
    numbers: IntArray = table[:, 0].astype(np.int64)
    return Sample(numbers, table[:, 1], table[:, 2], table[:, 3])


def samples_by_dataset(db: sqlite3.Connection, space: str) -> dict[str, Sample]:
    """Distinct measured cells of every dataset with their mean over runs and devices.

    Latencies and energies, which belong to a device, are NaN.
    """
    rows = db.execute(
        "SELECT dataset, number, avg(accuracy_pct) FROM cell WHERE space = ? AND "
        "number IS NOT NULL GROUP BY dataset, number ORDER BY dataset, number",
        (space,),
    )
    found: dict[str, list[tuple[int, float]]] = {}
    for dataset, number, accuracy in rows:
        found.setdefault(dataset, []).append((number, accuracy))
    return {dataset: _accuracies(cells) for dataset, cells in found.items()}


def _accuracies(cells: Sequence[tuple[int, float]]) -> Sample:
    numbers, accuracies = zip(*cells, strict=True)
    unknown = np.full(len(cells), np.nan)
    return Sample(np.array(numbers, dtype=np.int64), np.array(accuracies), unknown, unknown)


def run_places(db: sqlite3.Connection, space: str, most: int) -> list[RunPlace]:
    """The newest runs with their contexts, newest first."""
    query = "SELECT dataset, device, run FROM run_place WHERE space = ? ORDER BY seq DESC LIMIT ?"
    return [RunPlace(*row) for row in db.execute(query, (space, most))]


def contexts(db: sqlite3.Connection) -> tuple[str, ...]:
    """Every `dataset/device` with measured cells, in order."""
    query = "SELECT DISTINCT dataset || '/' || device FROM run_place ORDER BY 1"
    return tuple(row[0] for row in db.execute(query))
