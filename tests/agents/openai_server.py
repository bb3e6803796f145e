"""A loopback server that speaks OpenAI's chat completions, well or badly, as told."""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

from llm_nas.agents.chat.nonsense import random_instance


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes over the wire, and how."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0.0
    cut: Literal["", "at once", "half way"] = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    number: int


Script = Callable[[Asked], Answer]


def completion(
    content: str | None,
    *,
    finish: str = "stop",
    refusal: str | None = None,
    tool_arguments: str | None = None,
    tokens: tuple[int, int] = (100, 50),
    delay_s: float = 0.0,
) -> Answer:
    """A well-formed chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": refusal}
    if tool_arguments is not None:
        call = {"name": "cells", "arguments": tool_arguments}
        message["tool_calls"] = [{"id": "c1", "type": "function", "function": call}]
    choice = {"index": 0, "finish_reason": finish, "message": message}
    return Answer(body=_envelope([choice], tokens), delay_s=delay_s)


def empty_choices() -> Answer:
    """A completion without a choice."""
    return Answer(body=_envelope([], (100, 0)))


def _envelope(choices: list[dict[str, Any]], tokens: tuple[int, int]) -> bytes:
    usage = {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
    }
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": choices,
        "usage": usage,
    }
    return json.dumps(document).encode()


def failure(status: int, message: str = "no", headers: Mapping[str, str] | None = None) -> Answer:
    """An error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "stub", "code": None}}).encode()
    return Answer(status=status, body=body, headers=headers or {})


def asked_schema(body: Mapping[str, Any]) -> dict[str, Any]:
    """The schema a request carries, as response format or as tool."""
    if "response_format" in body:
        schema: dict[str, Any] = body["response_format"]["json_schema"]["schema"]
        return schema
    parameters: dict[str, Any] = body["tools"][0]["function"]["parameters"]
    return parameters


def valid_nonsense(asked: Asked, *, delay_s: float = 0.0) -> Answer:
    """A valid answer drawn by the request's own text."""
    rng = random.Random(json.dumps(asked.body["messages"]))
    text = json.dumps(random_instance(asked_schema(asked.body), rng))
    if "tools" in asked.body:
        return completion(None, tool_arguments=text, delay_s=delay_s)
    return completion(text, delay_s=delay_s)


class OpenAIServer:
    """Serves a script on a loopback port until closed; keeps every request it got."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._http = _Quiet(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def answer(self, body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        """Run the script on one request."""
        with self._lock:
            asked = Asked(body, {k.lower(): v for k, v in headers.items()}, len(self.asked))
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            answer = self.script(asked)
            time.sleep(answer.delay_s)
            return answer
        finally:
            with self._lock:
                self._at_once -= 1

    def __enter__(self) -> "OpenAIServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news here."""


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body: dict[str, Any] = json.loads(self.rfile.read(length))
            answer = server.answer(body, dict(self.headers.items()))
            if answer.cut == "at once":
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if answer.cut == "half way":
                self.wfile.write(answer.body[: len(answer.body) // 2])
                self.close_connection = True
                return
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
