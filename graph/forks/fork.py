"""Fork a run: what would have come of it, had something been different from a generation on.

A fork is a run of its own in a folder of its own. It shares the past of the run it comes from,
trainings included, which are not paid for again.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from llm_nas.agents.chat.options import ModelOptions
from llm_nas.domain import Measurement, SearchReport, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph.forks import forked
from llm_nas.graph.nodes import lesson_of
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.ledger import Ledger
from llm_nas.graph.run import Inputs, Run, open_run
from llm_nas.graph.search import drive
from llm_nas.ports import LatencyModel

_TABLES = ("measurement", "failure", "timing", "outcome", "wish")
CHANGEABLE = (
    "device",
    "model",
    "base_url",
    "max_latency_ms",
    "max_params_m",
    "max_macs_m",
    "seed",
    "trainings",
    "batch",
    "ban",
    "pin",
    "out",
)
"""Fields of a request that a fork may change."""


def fork(
    run: str | Path,
    generation: int,
    changes: Mapping[str, Any] | None = None,
    inputs: Inputs | None = None,
) -> SearchReport:
    """Run again from the start of a generation, with some fields of the request changed.

    Raises:
        RequestError: No such run or generation, or a change that would make another past.
    """
    source = run_dir.find(run)
    body = run_dir.read_json(source / run_dir.REQUEST)
    request = _changed(SearchRequest.model_validate(body["request"]), dict(changes or {}))
    _check_generation(source, generation)
    inputs = inputs or Inputs(options=ModelOptions.model_validate(body.get("options", {})))
    options = (inputs.options or ModelOptions()).model_dump(mode="json")
    run_id, folder = run_dir.create(request, options, forked_from=[body["run"], generation])
    with run_dir.locked(folder):
        try:
            _copy_past(source, folder, generation)
            opened = open_run(run_id, folder, request, inputs)
            if request.device != body["request"].get("device"):
                _time_anew(opened)
            _learn_past(opened, generation)
        except Exception:
            run_dir.discard(folder)
            raise
        report = drive(opened)
    given = {n: str(v) for n, v in (changes or {}).items() if v not in (None, ()) and n != "out"}
    about = {"run": body["run"], "generation": generation, "changes": given}
    forked.write(source, folder, opened.context.task.metric, about)
    return report


def _changed(request: SearchRequest, changes: dict[str, Any]) -> SearchRequest:
    given = {name: value for name, value in changes.items() if value not in (None, ())}
    wrong = sorted(set(given) - set(CHANGEABLE))
    if wrong:
        raise RequestError(
            f"fork: {wrong[0]} cannot be changed; these can: {', '.join(CHANGEABLE)}"
        )
    kept = request.model_dump(exclude={"out"})
    return SearchRequest.model_validate(kept | given)


def _check_generation(source: Path, generation: int) -> None:
    with closing(_open(source)) as database:
        last = database.execute("SELECT max(generation) FROM outcome").fetchone()[0]
    if last is None or not 0 <= generation <= last + 1:
        reached = -1 if last is None else last
        raise RequestError(f"--generation {generation}: {source} has generations 0 to {reached}")


def _open(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder / run_dir.CHECKPOINT}?mode=ro", uri=True)


def _copy_past(source: Path, folder: Path, generation: int) -> None:
    """Copy what was paid for and recorded before a generation."""
    Ledger(folder / run_dir.CHECKPOINT, ()).close()
    with (
        closing(_open(source)) as old,
        closing(sqlite3.connect(folder / run_dir.CHECKPOINT)) as new,
        new,
    ):
        for table in _TABLES:
            query = f"SELECT * FROM {table} WHERE generation < ?"
            for row in old.execute(query, (generation,)):
                marks = ",".join("?" * len(row))
                new.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        read = new.execute("SELECT count(*) FROM wish WHERE seq >= 0").fetchone()[0]
    for name in (run_dir.RECALLED, run_dir.STEER):
        if (source / name).exists():
            data = (source / name).read_bytes()
            lines = data.splitlines(keepends=True)[:read]
            run_dir.write_bytes(folder / name, b"".join(lines) if name == run_dir.STEER else data)


def _time_anew(run: Run) -> None:
    """Give the trainings of the past their latencies on another device."""
    run.ledger.retime(_timed_on(run.latency, run.ledger.measured()))


def _timed_on(latency: LatencyModel, measured: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
    mean, deviation = latency.predict([m.arch for m in measured])
    return tuple(
        m.model_copy(
            update={
                "latency_ms": float(ms),
                "latency_low_ms": float(ms - spread),
                "latency_high_ms": float(ms + spread),
            }
        )
        for m, ms, spread in zip(measured, mean, deviation, strict=True)
    )


def _learn_past(run: Run, generation: int) -> None:
    """Teach the fork's own store what the past showed."""
    if run.inputs.switches.knowledge:
        for past in range(generation):
            run.knowledge.learn(lesson_of(run, past))
