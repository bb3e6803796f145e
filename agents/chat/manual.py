"""A model by hand: requests are files, and whoever writes the answer files is the model.

For every request two files appear in the folder: `NNNN-designer-S2.md`, the text to paste into any
chat program, and `NNNN.request.json`, the same for programs, with the schema of the answer. The
answer is `NNNN.answer.json`: an object of that schema, or `{"text": "..."}` with whatever the chat
program said. What cannot be used gets an `NNNN.error.txt` that says why, and may be replaced.

A request that has an answer is never asked again: a run that was stopped goes on with the answers
that lie there.
"""

import contextlib
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from llm_nas.agents.chat.errors import redact
from llm_nas.agents.chat.options import MANUAL
from llm_nas.agents.chat.transport import ChatReply, ChatRequest, digest, estimate_tokens
from llm_nas.errors import RequestError, RunStopped

POLL_S = 0.2
LONGEST_ANSWER_BYTES = 1_000_000
_NUMBER = re.compile(r"(\d{4,6})\.request\.json")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_CORRECTION_TURNS = 2
"""An answer that cannot be used, shown again, and what is wrong with it."""


class ManualTransport:
    """Writes requests to a folder and waits for answers there (thread-safe)."""

    def __init__(
        self,
        folder: Path,
        wait_s: float,
        *,
        note: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
        poll_s: float = POLL_S,
    ) -> None:
        """Take up what lies in `folder`, made where it is missing; wait at most `wait_s`."""
        self._folder = folder
        self._wait_s = wait_s
        self._note = note
        self._clock = clock
        self._poll_s = poll_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._given: dict[str, str] = {}
        with _clear_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._numbers = _numbers_by_key(folder)

    def stop(self) -> None:
        """End every wait: the calls under way raise `RunStopped`."""
        self._stop.set()

    def send(self, request: ChatRequest) -> ChatReply:
        """The answer to a request, as soon as it lies there.

        Raises:
            RunStopped: Nobody answered in time, or the run is being stopped.
        """
        corrected = self._corrected(request)
        number = self._open(request) if corrected is None else corrected
        refused = None
        if corrected is not None:
            refused = self._given.get(number)
            self._refuse(number, request.messages[-1].content)
        text = self._wait_for(number, refused)
        return ChatReply(
            text=text,
            tokens_in=request.prompt_tokens,
            tokens_out=estimate_tokens(text),
            model=MANUAL,
            method="plain",
            finish="stop",
        )

    def _corrected(self, request: ChatRequest) -> str | None:
        """The number of the request whose answer this one asks to put right, or None."""
        turns = request.messages
        while len(turns) > _CORRECTION_TURNS and turns[-2].role == "assistant":
            turns = turns[:-_CORRECTION_TURNS]
            key = _key(_body("", request, turns))
            with self._lock:
                if self._asked[key]:
                    return self._numbers[key][self._asked[key] - 1]
        return None

    def _open(self, request: ChatRequest) -> str:
        """The number of a request: that of an earlier run, or a new one with its files."""
        key = _key(_body("", request, request.messages))
        with self._lock:
            place = self._asked[key]
            self._asked[key] += 1
            numbers = self._numbers.setdefault(key, [])
            if place == len(numbers):
                numbers.append(self._write(request))
            return numbers[place]

    def _write(self, request: ChatRequest) -> str:
        """Two new files under the first free number; several programs may share a folder."""
        last = max((int(n) for listed in self._numbers.values() for n in listed), default=0)
        while True:
            last += 1
            number = f"{last:04d}"
            body = json.dumps(_body(number, request, request.messages), indent=1)
            with _clear_errors(self._folder):
                if not _create(self._folder / f"{number}.request.json", body):
                    continue
                who = _NOT_IN_NAMES.sub("_", "-".join(filter(None, _who(request))))
                _replace(self._folder / f"{number}-{who}.md", _page(number, request))
            self._note(f"asked: {self._folder / f'{number}-{who}.md'}")
            return number

    def _refuse(self, number: str, why: str) -> None:
        """Say what is wrong with an answer."""
        with _clear_errors(self._folder):
            _replace(self._folder / f"{number}.error.txt", why + "\n")
        self._note(f"answer {number} cannot be used: see {number}.error.txt")

    def _wait_for(self, number: str, refused: str | None) -> str:
        """The text of an answer, once there is one other than the refused one."""
        until = self._clock() + self._wait_s
        while True:
            raw = self._read(number)
            if raw is not None and raw != refused:
                text, problem = _text_of(raw)
                if text is not None:
                    self._given[number] = raw
                    with contextlib.suppress(OSError):
                        (self._folder / f"{number}.error.txt").unlink(missing_ok=True)
                    return text
                # A program may still be writing: look once more before saying so.
                if not self._stop.wait(self._poll_s) and self._read(number) == raw:
                    refused = raw
                    self._refuse(number, problem)
            if self._clock() >= until:
                raise RunStopped(f"no answer to {number} in {self._folder} for too long")
            if self._stop.wait(self._poll_s):
                raise RunStopped(f"stopped before {number} in {self._folder} was answered")

    def _read(self, number: str) -> str | None:
        path = self._folder / f"{number}.answer.json"
        try:
            with path.open("rb") as file:
                return file.read(LONGEST_ANSWER_BYTES).decode("utf-8", errors="replace")
        except OSError:
            return None


def _text_of(raw: str) -> tuple[str | None, str]:
    """What an answer file says, or None and what is wrong with it."""
    try:
        value: object = json.loads(raw)
    except (json.JSONDecodeError, RecursionError) as error:
        return None, f"this is no JSON: {redact(str(error))}"
    if not isinstance(value, dict):
        return None, 'expected a JSON object: the answer itself, or {"text": "..."}'
    fields = cast(dict[str, Any], value)
    if set(fields) == {"text"} and isinstance(fields["text"], str):
        return fields["text"], ""
    return json.dumps(fields), ""


def _who(request: ChatRequest) -> tuple[str, str]:
    return request.caller.role, request.caller.niche


def _body(number: str, request: ChatRequest, turns: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "id": number,
        "role": request.caller.role,
        "niche": request.caller.niche,
        "generation": request.caller.generation,
        "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
        "schema": dict(request.schema),
    }


def _key(body: dict[str, Any]) -> str:
    return digest({name: value for name, value in body.items() if name != "id"})


def _numbers_by_key(folder: Path) -> dict[str, list[str]]:
    """Numbers of the requests that lie in a folder, by what they ask, in order."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.request.json")):
        number = _NUMBER.fullmatch(path.name)
        if number is None:
            continue
        try:
            body: object = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            raise RequestError(f"--model manual: {path} is unreadable; remove it") from None
        if isinstance(body, dict):
            found.setdefault(_key(cast(dict[str, Any], body)), []).append(number[1])
    return found


def _page(number: str, request: ChatRequest) -> str:
    """What to paste into a chat program."""
    turns = "\n\n".join(turn.content for turn in request.messages)
    return (
        f"<!-- Paste everything below into a chat program, or answer yourself. Save the answer in "
        f"this folder\nas {number}.answer.json: the JSON object itself, or "
        f'{{"text": "all that it said"}}.\nIf {number}.error.txt appears, the answer cannot be '
        f"used: replace it. -->\n\n{turns}\n\n{request.format_hint}\n"
    )


def _create(path: Path, text: str) -> bool:
    """Write a file that must be new, all at once; False when another program was first."""
    draft = _draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _replace(path: Path, text: str) -> None:
    """Write a file all at once."""
    os.replace(_draft(path, text), path)


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.write_text(text, "utf-8")
    return draft


@contextlib.contextmanager
def _clear_errors(folder: Path) -> Any:
    try:
        yield
    except OSError as error:
        raise RequestError(f"--model manual:{folder}: {error.strerror}") from None
