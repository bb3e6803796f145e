"""What the page shows of a run, read from its folder without touching it.

The ledger is opened read-only; a run that works on it is never held up for long.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from llm_nas.domain import SearchRequest, TraceEvent
from llm_nas.errors import RequestError
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.now import read_now
from llm_nas.graph.record.tell import select, tell
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.steps.steer import Wish, steered, wishes

LOG_LINES = 300
_LIMITS = ("max_latency_ms", "max_params_m", "max_macs_m", "hours", "trainings")
_WATCHED = (
    run_dir.REQUEST,
    run_dir.RESULT,
    run_dir.CHECKPOINT,
    f"{run_dir.CHECKPOINT}-wal",
    run_dir.NOW,
    run_dir.STEER,
)


def stamp(folder: Path) -> tuple[tuple[int, int], ...]:
    """Changes whenever anything the page shows may have changed."""
    return tuple(_stamp(folder / name) for name in _WATCHED)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def state_of(folder: Path) -> str:
    """`finished`, `running` or `stopped`."""
    if (folder / run_dir.RESULT).exists():
        return "finished"
    return "stopped" if read_now(folder) is None else "running"


def runs_in(root: Path) -> list[dict[str, Any]]:
    """The runs directly below a folder, newest first; what is no run is passed over."""
    found = [path.parent for path in root.glob(f"*/{run_dir.REQUEST}")]
    newest = sorted(found, key=lambda f: -_stamp(f / run_dir.REQUEST)[0])
    return [{"run": f.name, "state": state_of(f)} for f in newest]


def run_in(root: Path, name: str) -> Path:
    """The folder of a run by its name, which is never a path.

    Raises:
        RequestError: When there is no such run.
    """
    folder = root / name
    if Path(name).name != name or name in ("", ".", "..") or not _is_run(folder):
        raise RequestError(f"run {name!r}: not below {root}")
    return folder


def _is_run(folder: Path) -> bool:
    return (folder / run_dir.REQUEST).is_file()


def snapshot(folder: Path) -> dict[str, Any]:
    """Everything the page shows of one run."""
    body = run_dir.read_json(folder / run_dir.REQUEST)
    request = SearchRequest.model_validate(body["request"])
    doing = read_now(folder)
    with closing(_Ledger(folder)) as ledger:
        events = ledger.events()
        heard = ledger.wishes()
        found: dict[str, Any] = {
            "networks": ledger.bodies("measurement", "generation, rank, seq"),
            "failures": ledger.bodies("failure", "generation, arch"),
            "usage": ledger.usage(),
            "seconds": ledger.seconds(),
        }
    now = steered(request, heard)
    opened: dict[str, Any] = next(
        (e.data for e in events if e.event == "opened"), dict[str, Any]()
    )
    asked = wishes(folder)
    return found | {
        "run": folder.name,
        "state": state_of(folder),
        "context": opened.get("context", ""),
        "metric": opened.get("metric"),
        "niches": opened.get("niches", []),
        "notes": opened.get("notes", []),
        "model": request.model,
        "seed": request.seed,
        "limits": {name: getattr(now, name) for name in _LIMITS},
        "ban": list(now.ban),
        "pin": list(now.pin),
        "question": "" if doing is None else doing.get("question", ""),
        "doing": [] if doing is None else doing["doing"],
        "waiting": [w.model_dump(exclude_none=True) for w in asked[len(heard) :] if w],
        "claims": _claims(events),
        "log": list(tell(events))[-LOG_LINES:],
        "result": _result(folder),
    }


def story(folder: Path, arch: str) -> list[str]:
    """The lines of a run's log that concern one architecture."""
    with closing(_Ledger(folder)) as ledger:
        events = ledger.events() or read_trace(folder)
    return list(tell(select(events, arch=arch)))


def _claims(events: list[TraceEvent]) -> list[dict[str, Any]]:
    """Every claim as it last stood, those with most evidence first."""
    latest = {e.data["id"]: e.data for e in events if (e.role, e.event) == ("knowledge", "claim")}
    return sorted(latest.values(), key=lambda c: -int(c["evidence"].get("archs", 0)))


def _result(folder: Path) -> dict[str, Any] | None:
    if not (folder / run_dir.RESULT).exists():
        return None
    result = run_dir.read_json(folder / run_dir.RESULT)
    return {name: result[name] for name in ("hv", "hv_at", "trainings", "front", "notes")}


class _Ledger:
    """A run's ledger, read-only; empty where it is not there yet or cannot be read."""

    def __init__(self, folder: Path) -> None:
        path = (folder / run_dir.CHECKPOINT).resolve()
        self._db: sqlite3.Connection | None = None
        if path.exists():
            self._db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from () if self._db is None else self._db.execute(query).fetchall()
        except sqlite3.Error:
            return

    def bodies(self, table: str, order: str) -> list[Any]:
        return [json.loads(b) for (b,) in self._rows(f"SELECT body FROM {table} ORDER BY {order}")]

    def events(self) -> list[TraceEvent]:
        blocks = self._rows("SELECT events FROM outcome ORDER BY generation, rank")
        return [TraceEvent.model_validate(e) for (block,) in blocks for e in json.loads(block)]

    def wishes(self) -> list[Wish]:
        rows = self._rows("SELECT body FROM wish WHERE body != '' ORDER BY generation, seq")
        return [Wish.model_validate_json(body) for (body,) in rows]

    def usage(self) -> dict[str, Any]:
        return {role: json.loads(b) for role, b in self._rows("SELECT role, body FROM usage")}

    def seconds(self) -> dict[str, float]:
        return {str(part): float(s) for part, s in self._rows("SELECT part, seconds FROM clock")}
