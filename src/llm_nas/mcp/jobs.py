"""Searches as jobs: processes of their own, in folders of their own, that outlive a question.

A job is its run's folder: what it does is read from there, so a server that was started again
knows its old jobs too.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph.record import run_dir
from llm_nas.graph.steps.steer import wish
from llm_nas.watch import reading

LOG = "job.log"
MOST_AT_ONCE = 2
"""Searches under way at the same time: each uses the whole machine."""
_START_S = 30.0
_NOT_THEIRS = ("out", "run_dir", "data_dir", "store")
"""Fields that name folders of this machine: the server decides on those."""
_RUNS = (".py", "cmd:", "ssh://")
"""Parts of names that make this machine run something."""
_TRUSTED = ("base_url", "designer")


class Jobs:
    """Starts, finds and stops searches below one folder."""

    def __init__(self, root: Path, *, trust: bool = False) -> None:
        """`trust` lets clients name Python files, commands and servers."""
        self._root = root
        self.trust = trust
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, fields: Mapping[str, Any]) -> str:
        """Begin a search; returns the job's name.

        Raises:
            RequestError: For a request that the search itself would refuse, or too many at once.
        """
        wrong = sorted(set(fields) & set(_NOT_THEIRS))
        if wrong:
            raise RequestError(f"{wrong[0]}: is chosen by the server")
        request = SearchRequest.model_validate(dict(fields))
        self._check(request)
        busy = [r["run"] for r in reading.runs_in(self._root) if r["state"] == "running"]
        busy += [n for n, p in self._started.items() if p.poll() is None and n not in busy]
        if len(busy) >= MOST_AT_ONCE:
            raise RequestError(f"{len(busy)} searches are under way: {', '.join(busy)}")
        name = run_dir.new_run_id(request)
        request = request.model_copy(update={"out": self._root / name})
        _, folder = run_dir.create(request, {})
        command = [sys.executable, "-m", "llm_nas", "search", "--resume", str(folder), "--json"]
        with (folder / LOG).open("wb") as log:
            self._started[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=Path.cwd()
            )
        return name

    def _check(self, request: SearchRequest) -> None:
        """Refuse what would run a client's code, or call a client's server."""
        for name, value in request.model_dump(mode="json", exclude_none=True).items():
            runs = isinstance(value, str) and any(part in value for part in _RUNS)
            if not self.trust and (runs or name in _TRUSTED):
                raise RequestError(
                    f"{name} {value!r}: runs code or calls a server; "
                    "allowed where the server was started with --trust"
                )

    def status(self, name: str) -> dict[str, Any]:
        """What a job does: state, trainings, what goes on, its last lines."""
        folder = reading.run_in(self._root, name)
        seen = reading.snapshot(folder)
        process = self._started.get(name)
        starting = process is not None and process.poll() is None
        state = "starting" if starting and seen["state"] == "stopped" else seen["state"]
        failed = process is not None and process.poll() not in (None, 0, 3)
        return {
            "job": name,
            "state": "failed" if failed and state != "finished" else state,
            "trainings": sum(m["trainings"] for m in seen["networks"]),
            "of": seen["limits"]["trainings"],
            "doing": seen["doing"],
            "log": seen["log"][-10:],
            "error": _last_line(folder / LOG) if failed else "",
        }

    def stop(self, name: str) -> str:
        """Ask a job to stop between two steps; it can be gone on with."""
        wish(reading.run_in(self._root, name), {"kind": "stop"})
        return f"stops after what is under way; go on with: llm-nas search --resume {name}"

    def folder(self, name: str) -> Path:
        """A job's folder."""
        return reading.run_in(self._root, name)

    def close(self) -> None:
        """Ask what was started here to stop; it can be gone on with."""
        for process in self._started.values():
            if process.poll() is None:
                process.send_signal(2)
        for process in self._started.values():
            try:
                process.wait(_START_S)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, 9)
                process.wait(_START_S)


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
