"""A connection to another process that answers JSON lines: it may be slow, lie or vanish."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, TypeAlias, cast

Tell: TypeAlias = Callable[[Any], None]

_LONGEST_LINE = 64 * 2**20
_MOST_NOISE = 200
"""Lines that are no JSON objects (a login banner, a library's warning) before giving up."""
_MOST_WAITING = 1000


class LinkBroken(Exception):
    """The other side vanished, stayed silent for too long, or does not speak JSON."""


class Link:
    """One child process; `ask` sends a request and waits for the answer with the same id."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start `command` without a shell, in a session of its own.

        Raises:
            LinkBroken: when there is no such program.
        """
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=None if environment is None else {**os.environ, **environment},
            )
        except OSError as error:
            raise LinkBroken(f"{command[0]}: {error.strerror or error}") from error
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._complaints: list[str] = []
        self._readers = (self._reader(self._read_answers), self._reader(self._read_complaints))
        self._asked = 0

    @property
    def pid(self) -> int:
        """Process id of the child, for those who want to see it die."""
        return self._process.pid

    def _reader(self, target: Any) -> threading.Thread:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        return thread

    def _read_answers(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := _pipe(self._process.stdout).readline(_LONGEST_LINE):
                self._lines.put(line)
        self._lines.put(None)

    def _read_complaints(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := _pipe(self._process.stderr).readline(4096):
                self._complaints.append(line.decode(errors="replace").strip())
                del self._complaints[:-20]

    def ask(
        self, request: Mapping[str, Any], seconds: float, tell: Tell | None = None
    ) -> dict[str, Any]:
        """The answer to a request, waited for at most `seconds`.

        Answers with a `progress` are passed to `tell` and start the waiting anew.

        Raises:
            LinkBroken: after which the link is closed and of no further use.
        """
        self._asked += 1
        identity = f"{self._asked}"
        try:
            self._send({**request, "id": identity})
            return self._answer(identity, seconds, tell)
        except LinkBroken:
            self.close()
            raise

    def _send(self, request: Mapping[str, Any]) -> None:
        stdin = _pipe(self._process.stdin)
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except (OSError, ValueError) as error:
            raise LinkBroken(self._why("the other side closed the connection")) from error

    def _answer(self, identity: str, seconds: float, tell: Tell | None) -> dict[str, Any]:
        deadline, noise = time.monotonic() + seconds, 0
        while noise < _MOST_NOISE:
            answer = _object(self._line(deadline))
            if answer is None or answer.get("id") != identity:
                noise += 1
            elif "progress" not in answer:
                return answer
            else:
                deadline = time.monotonic() + seconds
                if tell is not None:
                    tell(answer["progress"])
        raise LinkBroken(f"{_MOST_NOISE} lines that answer nothing")

    def _line(self, deadline: float) -> bytes:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise LinkBroken("no answer in time") from None
        if line is None:
            raise LinkBroken(self._why("the other side ended"))
        return line

    def _why(self, what: str) -> str:
        self._readers[1].join(timeout=1.0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        code = self._process.poll()
        how = "" if code is None else f" ({_ending(code)})"
        said = next((line for line in reversed(self._complaints) if line), "")
        return f"{what}{how}" + (f": {said[:200]}" if said else "")

    def close(self) -> None:
        """End the child and whatever it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        while not self._lines.empty():
            self._lines.get_nowait()
        pipes = (self._process.stdout, self._process.stderr)
        for pipe, reader in zip(pipes, self._readers, strict=True):
            reader.join(timeout=1.0)
            if not reader.is_alive():  # closing a pipe that is being read would wait for ever
                _pipe(pipe).close()
        with contextlib.suppress(OSError, ValueError):
            _pipe(self._process.stdin).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise LinkBroken("the process has no pipes")
    return pipe


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
