"""Every word said to models and by them, once: what traces refer to by hash.

Lines are `{"text": HASH, "words": ...}`, each text once, and `{"request": HASH, "role", "niche",
"generation", "model", "messages": [[role, HASH], ...], "answer": HASH}`, each request once.
"""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_nas.agents.chat.transport import ChatReply, ChatRequest, ChatTransport, digest
from llm_nas.errors import RequestError, StoreError

_DIGITS = 16


class Talk:
    """Notes what goes through it; an answer that fails is noted without words."""

    def __init__(self, inner: ChatTransport, path: Path) -> None:
        """Go on with the file where there is one."""
        self._inner = inner
        self._path = path
        self._lock = threading.Lock()
        self._known: set[str] = {key for line in _lines(path) if (key := _key(line))}

    def send(self, request: ChatRequest) -> ChatReply:
        """The reply of what is inside."""
        reply = self._inner.send(request)
        self._note(request, reply.text)
        return reply

    def _note(self, request: ChatRequest, answer: str) -> None:
        caller = request.caller
        messages = [(m.role, m.content) for m in request.messages]
        texts = {_hash(words): words for words in (*(w for _, w in messages), answer)}
        lines: list[dict[str, Any]] = [{"text": key, "words": w} for key, w in texts.items()]
        lines.append(
            {
                "request": request.fingerprint[:_DIGITS],
                "role": caller.role,
                "niche": caller.niche,
                "generation": caller.generation,
                "model": request.model,
                "messages": [[role, _hash(words)] for role, words in messages],
                "answer": _hash(answer),
            }
        )
        with self._lock:
            fresh = [line for line in lines if _key(line) not in self._known]
            self._known |= {_key(line) for line in fresh}
            written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in fresh)
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(written)
            except OSError as error:
                raise StoreError(f"{self._path}: cannot be written: {error.strerror}") from error


def words_of(path: Path, request: str) -> list[tuple[str, str]]:
    """(role, words) of one request and its answer, by the request's hash in the trace.

    Raises:
        RequestError: When nothing was noted of it.
    """
    lines = _lines(path)
    texts = {line["text"]: line["words"] for line in lines if "text" in line}
    for line in lines:
        if line.get("request") == request:
            said = [(str(role), texts[key]) for role, key in line["messages"]]
            return [*said, ("answer", texts[line["answer"]])]
    raise RequestError(f"--request {request}: no words of it in {path}")


def _hash(words: str) -> str:
    return digest(words)[:_DIGITS]


def _key(line: Mapping[str, Any]) -> str:
    """What makes a line the same as another."""
    return f"text {line['text']}" if "text" in line else f"request {line.get('request', '')}"


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines of the file; a torn last one is left out."""
    found: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found
