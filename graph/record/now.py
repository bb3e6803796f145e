"""What a run is doing right now, in a small file for whoever watches.

The file is a courtesy: nothing reads it back into the search, and a lost one is no loss. So it is
replaced in one move, but nobody waits for the disk.
"""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_nas.graph.record.run_dir import NOW
from llm_nas.graph.record.trace import now


class Now:
    """Keeps the file of one run; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Say that this process works on the run."""
        self._folder = folder
        self._lock = threading.Lock()
        self._doing: dict[str, dict[str, str]] = {}
        self._question = ""
        self._write()

    def tell(self, told: Mapping[str, Any]) -> None:
        """Take one piece of progress: `timing` and `training` begin, `timed` and `trained` end."""
        with self._lock:
            for doing in ("timing", "training"):
                if doing in told:
                    arch = str(told[doing])
                    where = {"niche": str(told.get("niche", "")), "since": now()}
                    self._doing[arch] = {"doing": doing, "arch": arch, **where}
            for done in ("timed", "trained"):
                self._doing.pop(str(told.get(done, "")), None)
            self._write()

    def ask(self, question: str) -> None:
        """Say that a person is asked something; an empty question: no longer."""
        with self._lock:
            self._question = question
            self._write()

    def close(self) -> None:
        """Say that nobody works on the run any longer."""
        (self._folder / NOW).unlink(missing_ok=True)

    def _write(self) -> None:
        body: dict[str, Any] = {"pid": os.getpid(), "at": now(), "question": self._question}
        body |= {"doing": list(self._doing.values())}
        part = self._folder / f".{NOW}.{os.getpid()}"
        part.write_text(json.dumps(body), encoding="utf-8")
        part.replace(self._folder / NOW)


def read_now(folder: Path) -> dict[str, Any] | None:
    """What a live process does with a run; None when none works on it."""
    try:
        body: dict[str, Any] = json.loads((folder / NOW).read_text(encoding="utf-8"))
        alive = _alive(int(body["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return body if alive else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
