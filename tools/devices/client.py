"""Asks a runner, wherever it is, to time and run ONNX files; believes no answer unchecked."""

import base64
import binascii
import threading
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_nas.errors import RunStopped, ToolError
from llm_nas.tools.devices.card import DeviceCard
from llm_nas.tools.devices.link import Link, LinkBroken

_PROTOCOL = 1
_TRIES = 3
"""How often one request may bring the connection down before the request is to blame."""
_FIRST_ANSWER_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 30.0

Milliseconds = Annotated[float, Field(gt=0, lt=1e7)]
Say: TypeAlias = Callable[[str], None]
Connect: TypeAlias = Callable[[], Link]
AnswerT = TypeVar("AnswerT", bound=BaseModel)


class _Answer(BaseModel):
    """What comes from another machine: known fields, sane numbers, short texts."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Hello(_Answer):
    """Who answers."""

    protocol: int
    python: Annotated[str, Field(max_length=40)]
    onnxruntime: Annotated[str, Field(max_length=40)]
    machine: Annotated[str, Field(max_length=80)] = "unknown"
    cores: Annotated[int, Field(ge=0, le=100_000)] = 0

    def __str__(self) -> str:
        cores = f", {self.cores} cores" if self.cores else ""
        return f"{self.machine}{cores}, ONNX Runtime {self.onnxruntime}, Python {self.python}"


class Sessions(_Answer):
    """Milliseconds of several sessions of one network: medians and spread inside each."""

    medians_ms: Annotated[tuple[Milliseconds, ...], Field(min_length=1, max_length=50)]
    p10_ms: Annotated[tuple[Milliseconds, ...], Field(max_length=50)] = ()
    p90_ms: Annotated[tuple[Milliseconds, ...], Field(max_length=50)] = ()
    runs: Annotated[int, Field(ge=1, le=10_000_000)]


class _Outputs(_Answer):
    outputs: str
    shape: Annotated[tuple[int, ...], Field(min_length=2, max_length=2)]


class RunnerClient:
    """One runner behind a connection that is opened when needed and opened again when lost.

    A runner that cannot be reached costs time: it is tried again, with growing pauses, for
    `patience_seconds`; then the run stops and can be resumed. A network that brings the
    connection down three times in a row, while greetings are answered, is to blame itself.
    """

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        request_seconds: float = 180.0,
        patience_seconds: float = 600.0,
        say: Say | None = None,
    ) -> None:
        self.name = name
        self._connect = connect
        self.request_seconds = request_seconds
        self._patience_seconds = patience_seconds
        self._say = say or _silent
        self._link: Link | None = None
        self._turn = threading.RLock()
        """Callers in threads take turns: two timings at once would disturb each other."""
        self._hello: Hello | None = None

    @property
    def pid(self) -> int | None:
        """Process id of what holds the connection, while there is one."""
        return None if self._link is None else self._link.pid

    def hello(self) -> Hello:
        """Who answers; connects where there is no connection yet."""
        with self._turn:
            if self._link is None or self._hello is None:
                self._reach()
            return self._known()

    def time(self, model: bytes, card: DeviceCard) -> Sessions:
        """Several sessions of one ONNX file.

        Raises:
            ToolError: when the network cannot run there.
            RunStopped: when the device cannot be reached any more.
        """
        wanted = {"sessions": card.sessions, "runs": card.runs, "batch": card.batch}
        request = {"op": "time", "model": _text(model), "threads": card.threads, **wanted}
        return self._checked(Sessions, self._ask(request))

    def run(self, model: bytes, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Outputs `(n, classes)` of an ONNX file for images `(n, 3, height, width)`."""
        payload = _text(np.ascontiguousarray(images, dtype=np.float32).tobytes())
        request = {"op": "run", "model": _text(model), "images": payload, "shape": images.shape}
        answer = self._checked(_Outputs, self._ask(request))
        try:
            data = np.frombuffer(base64.b64decode(answer.outputs, validate=True), dtype=np.float32)
            return data.reshape(answer.shape)
        except (ValueError, binascii.Error) as error:
            raise ToolError(f"{self.name}: an answer of the wrong size: {error}") from error

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._link is not None:
            self._link.close()
        self._link = None

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._turn:
            return self._asked(request)

    def _asked(self, request: Mapping[str, Any]) -> dict[str, Any]:
        reasons: list[str] = []
        while len(reasons) < _TRIES:
            if self._link is None:
                self._reach()
            link = self._link
            try:
                answer = {} if link is None else link.ask(request, self.request_seconds)
            except LinkBroken as error:
                self._link = None
                reasons.append(str(error))
                self._say(f"{self.name}: connection lost ({error}); connecting again")
                continue
            if "error" in answer:
                raise ToolError(f"{self.name}: {str(answer['error'])[:300]}")
            return answer
        raise ToolError(f"{self.name}: {_TRIES} connections lost on this network: {reasons[-1]}")

    def _reach(self) -> None:
        """Connect and greet, again and again until `patience_seconds` have passed."""
        started, pause = time.monotonic(), 0.5
        while True:
            try:
                link = self._connect()
                answer = link.ask({"op": "hello"}, _FIRST_ANSWER_SECONDS)
            except LinkBroken as error:
                left = self._patience_seconds - (time.monotonic() - started)
                if left <= 0:
                    raise RunStopped(f"device {self.name} cannot be reached: {error}") from error
                self._say(f"{self.name} cannot be reached ({error}); trying for {left:.0f} s more")
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                continue
            self._link = link
            self._hello = self._greeted(answer)
            return

    def _greeted(self, answer: Mapping[str, Any]) -> Hello:
        if "error" in answer:
            self.close()
            what = str(answer["error"])[:200]
            raise ToolError(f"{self.name}: the runner cannot work there: {what}")
        hello = self._checked(Hello, answer)
        if hello.protocol != _PROTOCOL:
            self.close()
            raise ToolError(
                f"{self.name}: the runner there speaks protocol {hello.protocol}, this program "
                f"{_PROTOCOL}; copy the runner again"
            )
        return hello

    def _known(self) -> Hello:
        if self._hello is None:
            raise ToolError(f"{self.name}: nobody has answered yet")
        return self._hello

    def _checked(self, kind: type[AnswerT], answer: Mapping[str, Any]) -> AnswerT:
        try:
            return kind.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ToolError(f"{self.name}: a wrong answer: {field}: {first['msg']}") from error


def _silent(line: str) -> None:
    del line


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
