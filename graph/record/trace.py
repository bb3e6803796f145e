"""The trace: one JSON event a line, enough to follow each network from proposal to measurement.

The ledger keeps the events of everything it recorded; the trace is their copy for people and
programs. The events of a niche's generation are appended in one write, after the ledger has them
and in the order of the niches, so a killed and resumed run tells of what was paid for and of
nothing else, and equal runs have equal traces.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_nas.domain import TraceEvent
from llm_nas.errors import StoreError
from llm_nas.graph.record.run_dir import TRACE

DONE = "done"
"""Name of the event that ends every block."""


def now() -> str:
    """UTC wall-clock time, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Trace:
    """Appends blocks of events to a run's trace; safe to use from several threads."""

    def __init__(self, path: Path, run: str, blocks: Iterable[Sequence[TraceEvent]] = ()) -> None:
        """Open, cut off a torn last block, and append the ledger's blocks that are missing."""
        self._run = run
        self._lock = threading.Lock()
        self._written: set[tuple[int, str]] = set()
        if path.exists():
            kept = _complete_part(path)
            self._written = {(e.generation, e.niche) for e in _events(kept)}
            with path.open("r+b") as file:
                file.truncate(len(kept))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for block in blocks:
            if block:
                self.append(block)

    def event(
        self, generation: int, niche: str, role: str, event: str, /, **data: Any
    ) -> TraceEvent:
        """An event of this run; its place in its block is set when the block is written."""
        return TraceEvent(
            ts=now(),
            run=self._run,
            generation=generation,
            niche=niche,
            role=role,
            event=event,
            seq=0,
            data=data,
        )

    def append(self, events: Sequence[TraceEvent]) -> None:
        """Write one block: the events of one niche (or of the run itself) and generation.

        A block of the same generation and niche that is already there is left as it is.
        """
        if not events:
            return
        key = (events[0].generation, events[0].niche)
        events = [*events, self.event(*key, "trace", DONE)]
        lines = [e.model_copy(update={"seq": i}).model_dump_json() for i, e in enumerate(events)]
        with self._lock:
            if key in self._written:
                return
            os.write(self._file, ("\n".join(lines) + "\n").encode())
            self._written.add(key)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


def _complete_part(path: Path) -> bytes:
    """The bytes of a trace up to the end of the last whole block."""
    data = path.read_bytes()
    last = data.rfind(f'"event":"{DONE}"'.encode())
    return data[: data.find(b"\n", last) + 1] if last >= 0 else b""


def _events(data: bytes) -> Iterator[TraceEvent]:
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            yield TraceEvent.model_validate(json.loads(line))
        except ValueError as error:
            raise StoreError(f"{TRACE} line {number}: not a trace event") from error


def read_trace(run_dir: Path) -> list[TraceEvent]:
    """All whole events of a run, by generation and niche in the order of writing.

    Raises:
        StoreError: When there is no trace, or a line is not an event.
    """
    path = run_dir / TRACE
    if not path.is_file():
        raise StoreError(f"{run_dir}: no {TRACE}; expected the folder of a run")
    return list(_events(_complete_part(path)))
