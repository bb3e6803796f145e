"""Record and replay: every request's answer in one JSONL file, keyed by the request's hash.

Replay opens no connection and is bit-identical. A request that is not in the file stops the
run and shows how it differs from the nearest recorded one. While recording, answers that
the file already holds are reused, so that an interrupted run goes on with the same answers.
Failures are recorded too, attempt by attempt: a replayed run fails where the recorded one did.
"""

import difflib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from llm_nas.agents.chat.errors import CallFailed, FailureKind
from llm_nas.agents.chat.transport import ChatReply, ChatRequest, ChatTransport
from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen

CASSETTE_VERSION = 2
_KEPT = ("text", "method", "finish", "tokens_in", "tokens_out")
"""Fields that replies and tracks share."""


class CassetteMiss(RequestError):
    """A replayed run asks something the cassette has no answer to; a diff says how it differs."""

    many_lines = True


class Track(Frozen):
    """One request and what came of it: a text with its cost, or a failure."""

    cassette: Literal[2]
    key: str
    role: str
    niche: str
    generation: int
    model: str
    schema_digest: str
    messages: tuple[tuple[str, str], ...]
    text: str | None = None
    method: Literal["json_schema", "function_calling", "plain"] = "json_schema"
    finish: str = ""
    answered_by: str = ""
    tokens_in: Annotated[int, Field(ge=0)] = 0
    tokens_out: Annotated[int, Field(ge=0)] = 0
    failure: FailureKind | None = None
    message: str = ""

    def play(self) -> ChatReply:
        """The recorded reply, or the recorded failure raised again."""
        if self.text is None:
            tokens = (self.tokens_in, self.tokens_out)
            paid = tokens if any(tokens) else None
            raise CallFailed(self.failure or "malformed", self.message, tokens=paid)
        kept = {name: getattr(self, name) for name in _KEPT}
        return ChatReply(model=self.answered_by, **kept)


class Cassette:
    """Tracks by key, in order; each asking of the same request takes the next one."""

    def __init__(self, path: Path) -> None:
        """Read the tracks `path` holds; a missing file is an empty cassette."""
        self.path = path
        self._tracks: defaultdict[str, list[Track]] = defaultdict(list)
        self._played: Counter[str] = Counter()
        self._lock = threading.Lock()
        text = _read(path) if path.exists() else ""
        # A kill while recording can cut the last line: close it, so that the next one is whole.
        self._mend = "\n" if text and not text.endswith("\n") else ""
        for track in _parse(path, text):
            self._tracks[track.key].append(track)

    def next(self, key: str) -> Track | None:
        """The next unplayed track of a request, or None."""
        with self._lock:
            tracks, played = self._tracks[key], self._played[key]
            self._played[key] += 1
            return tracks[played] if played < len(tracks) else None

    def add(self, track: Track) -> None:
        """Append a track to the file and remember it as played."""
        line = track.model_dump_json(exclude_defaults=True) + "\n"
        with self._lock:
            self._tracks[track.key].append(track)
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(self._mend + line)
            except OSError as error:
                raise RequestError(f"--record {self.path}: {error.strerror}") from None
            self._mend = ""

    def nearest(self, request: ChatRequest) -> Track | None:
        """A recorded request like this one: of the same caller, else of the same role."""
        caller = request.caller
        tracks = [t for group in self._tracks.values() for t in group]
        here = (caller.role, caller.niche, caller.generation)
        same = [t for t in tracks if (t.role, t.niche, t.generation) == here]
        pool = same or [t for t in tracks if t.role == caller.role] or tracks
        return min(pool, key=lambda t: abs(len(t.messages) - len(request.messages)), default=None)


class Recorder:
    """Sends requests on and keeps what came of them."""

    def __init__(self, inner: ChatTransport, cassette: Cassette) -> None:
        self._inner = inner
        self._cassette = cassette

    def send(self, request: ChatRequest) -> ChatReply:
        """The recorded answer where there is one, else the inner transport's, recorded."""
        known = self._cassette.next(request.fingerprint)
        if known is not None:
            return known.play()
        try:
            reply = self._inner.send(request)
        except CallFailed as failure:
            self._cassette.add(_track(request, _of_failure(failure)))
            raise
        fields = {"answered_by": reply.model} | {name: getattr(reply, name) for name in _KEPT}
        self._cassette.add(_track(request, fields))
        return reply


class Player:
    """Answers from a cassette alone."""

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette

    def send(self, request: ChatRequest) -> ChatReply:
        """The recorded answer or failure; `CassetteMiss` with a diff where there is none."""
        track = self._cassette.next(request.fingerprint)
        if track is None:
            raise CassetteMiss(_miss(self._cassette, request))
        return track.play()


def open_replay(path: Path) -> Player:
    """A player for an existing cassette; `RequestError` when there is none."""
    if not path.is_file():
        raise RequestError(f"--replay {path}: no such file")
    return Player(Cassette(path))


def _of_failure(failure: CallFailed) -> dict[str, object]:
    tokens_in, tokens_out = failure.tokens or (0, 0)
    return {
        "failure": failure.kind,
        "message": str(failure).removeprefix(f"{failure.kind}: "),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
    }


def _track(request: ChatRequest, outcome: Mapping[str, object]) -> Track:
    asked: dict[str, object] = {
        "cassette": CASSETTE_VERSION,
        "key": request.fingerprint,
        "role": request.caller.role,
        "niche": request.caller.niche,
        "generation": request.caller.generation,
        "model": request.model,
        "schema_digest": request.schema_digest,
        "messages": tuple((m.role, m.content) for m in request.messages),
    }
    return Track.model_validate(asked | dict(outcome))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cassette {path}: unreadable ({type(error).__name__})") from None


def _parse(path: Path, text: str) -> Iterator[Track]:
    """The tracks of a file; lines a kill has cut short are left out."""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield Track.model_validate_json(line)
        except ValidationError:
            if _is_json(line):
                raise RequestError(
                    f"cassette {path}, line {number}: not a call recorded by this version"
                ) from None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def _lines(messages: tuple[tuple[str, str], ...]) -> list[str]:
    return [line for role, text in messages for line in (f"[{role}]", *text.splitlines())]


def _miss(cassette: Cassette, request: ChatRequest) -> str:
    caller = request.caller
    head = (
        f"--replay {cassette.path}: no answer recorded for {caller.role} {caller.niche} "
        f"generation {caller.generation} (key {request.fingerprint[:16]})"
    )
    nearest = cassette.nearest(request)
    if nearest is None:
        return f"{head}; the cassette is empty"
    wanted = _lines(tuple((m.role, m.content) for m in request.messages))
    diff = difflib.unified_diff(
        _lines(nearest.messages), wanted, "recorded", "asked", lineterm="", n=1
    )
    notes = list(diff)[:60]
    if nearest.schema_digest != request.schema_digest:
        notes.append("(the answer's schema differs too)")
    if nearest.model != request.model:
        notes.append(f"(recorded with model {nearest.model}, asked of {request.model})")
    if nearest.key == request.fingerprint:
        notes.append("(the same request was recorded, but asked less often)")
    return "\n".join([head, *notes])
