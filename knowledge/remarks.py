"""What an answer says besides its findings: where a question asks beyond what was measured."""

import sqlite3

from llm_nas.knowledge import cells
from llm_nas.knowledge.measured import Measured
from llm_nas.knowledge.query import Query
from llm_nas.knowledge.ranking import Asker
from llm_nas.knowledge.side_effects import objectives_of


def remarks(db: sqlite3.Connection, measured: Measured, query: Query, asker: Asker) -> list[str]:
    """One line each: places nobody searched, energies nobody measured, limits no cell keeps."""
    if not measured.places and not measured.scopes:
        return ["this store is empty: searches with it fill it"]
    return [
        *_unheard(measured, query, asker),
        *_no_energy(db, query),
        *_out_of_reach(measured, query),
    ]


def named(name: str | None) -> tuple[str, ...]:
    """A name as a scope: none means any."""
    return () if name is None else (name,)


def _unheard(measured: Measured, query: Query, asker: Asker) -> list[str]:
    """A line for a device or dataset that no claim and no measured cell is about."""
    places = [(run.dataset, run.device) for run in measured.places]
    places += [(dataset, device) for dataset, device, _ in measured.scopes]
    known = {name for place in places for name in place}
    also = " and those of devices like it" if asker.similarity else ""
    return [
        f"nothing is known of {name} yet: only claims about any {kind}{also} count"
        for kind, name in (("dataset", query.dataset), ("device", query.device))
        if name is not None and name not in known
    ]


def _no_energy(db: sqlite3.Connection, query: Query) -> list[str]:
    if query.device is None or "energy" not in objectives_of(query):
        return []
    if cells.has_energy(db, query.device):
        return []
    return [f"no energy was measured on {query.device}"]


def _out_of_reach(measured: Measured, query: Query) -> list[str]:
    """A line for each limit on a value that no measured cell of the place keeps."""
    runs = measured.runs(named(query.dataset), named(query.device))
    if not runs:
        return []
    seen = measured.cells(runs)
    values = {"accuracy": seen.accuracy_pct, "latency": seen.latency_ms}
    lines: list[str] = []
    for limit in query.limits:
        if limit.of == "value" and limit.objective in values:
            of_cells = values[limit.objective]
            best = float(of_cells.max() if limit.relation == "at least" else of_cells.min())
            if not limit.holds(best):
                unit = "%, as predicted" if limit.objective == "accuracy" else "ms"
                lines.append(f"no measured cell has {limit.words}: the nearest {best:.2f} {unit}")
    return lines
