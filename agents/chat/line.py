"""The whole line to the models of a run: retries, metering, the record, the providers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from llm_nas.agents.chat.cassette import Cassette, Recorder, open_replay
from llm_nas.agents.chat.manual import ManualTransport
from llm_nas.agents.chat.nonsense import NONSENSE_MODEL, NonsenseTransport
from llm_nas.agents.chat.options import MANUAL, ModelOptions, is_manual
from llm_nas.agents.chat.providers import open_model
from llm_nas.agents.chat.retry import Gate, RetryingTransport
from llm_nas.agents.chat.transport import ChatReply, ChatRequest, ChatTransport
from llm_nas.errors import RequestError

_MANY = 256
"""People answer in any order: all requests of a generation lie there at once."""


Meter: TypeAlias = Callable[[ChatTransport], ChatTransport]
"""Puts something between retries and the record that sees every attempt."""


class Line:
    """Sends each request to the model of its role; `stop` ends waits that may take days."""

    def __init__(self, send: ChatTransport, stops: tuple[Callable[[], None], ...] = ()) -> None:
        self._line = send
        self._stops = stops

    def send(self, request: ChatRequest) -> ChatReply:
        """The reply; raises `CallFailed` where there is none."""
        return self._line.send(request)

    def stop(self) -> None:
        """Make calls that wait for people raise `RunStopped`."""
        for stop in self._stops:
            stop()


class _ByRole:
    """Sends each request to the transport of its role."""

    def __init__(self, transports: Mapping[str, ChatTransport]) -> None:
        self._transports = dict(transports)

    def send(self, request: ChatRequest) -> ChatReply:
        """The reply of the role's model."""
        return self._transports[request.caller.role].send(request)


def open_line(
    models: Mapping[str, str],
    options: ModelOptions,
    *,
    transport: ChatTransport | None = None,
    meter: Meter = lambda inner: inner,
    note: Callable[[str], None] = lambda line: None,
) -> Line:
    """Open the models of some roles, by role; `transport` replaces the providers (tests).

    Raises `RequestError` for a wrong model name, a missing key or package, a folder that cannot
    be written, or an unreadable cassette.
    """
    if options.replay is not None:
        player = meter(open_replay(options.replay))
        return Line(RetryingTransport(player, Gate(_MANY), options, sleep=lambda seconds: None))
    opened = {} if transport else {name: _open(name, options, note) for name in models.values()}
    inner = transport or _ByRole({role: opened[name] for role, name in models.items()})
    if options.record is not None:
        inner = Recorder(inner, Cassette(options.record))
    stops = tuple(t.stop for t in opened.values() if isinstance(t, ManualTransport))
    gate = Gate(_MANY if any(map(is_manual, models.values())) else options.concurrency)
    return Line(RetryingTransport(meter(inner), gate, options), stops)


def _open(name: str, options: ModelOptions, note: Callable[[str], None]) -> ChatTransport:
    if name == NONSENSE_MODEL:
        return NonsenseTransport()
    if not is_manual(name):
        return open_model(name, options)
    folder = name.partition(":")[2]
    if not folder:
        raise RequestError(f"--model {MANUAL}: expected {MANUAL}:DIR, a folder for the requests")
    return ManualTransport(Path(folder).expanduser(), options.manual_wait_s, note=note)
