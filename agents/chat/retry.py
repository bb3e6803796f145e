"""Retries with backoff, and the gate that bounds concurrency and obeys rate limits."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.transport import ChatReply, ChatRequest, ChatTransport


class Gate:
    """At most `limit` calls at once, and none before the moment a rate limit names."""

    def __init__(
        self,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slots = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._open_at = clock()
        self._clock = clock
        self._sleep = sleep

    def close_for(self, seconds: float) -> None:
        """Hold back every call for a while: one call's 429 speaks for all of them."""
        with self._lock:
            self._open_at = max(self._open_at, self._clock() + seconds)

    @contextmanager
    def passage(self) -> Generator[None]:
        """Hold a slot, after waiting until the gate is open."""
        with self._slots:
            while (remaining_s := self._remaining_s()) > 0:
                self._sleep(remaining_s)
            yield

    def _remaining_s(self) -> float:
        with self._lock:
            return self._open_at - self._clock()


class RetryingTransport:
    """Sends through a gate, again where waiting may help, for a bounded number of attempts."""

    def __init__(
        self,
        inner: ChatTransport,
        gate: Gate,
        options: ModelOptions,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner = inner
        self._gate = gate
        self._options = options
        self._sleep = sleep

    def send(self, request: ChatRequest) -> ChatReply:
        """The reply; `CallFailed` when attempts run out or the failure is final."""
        for attempt in range(self._options.retries):
            try:
                return self._once(request)
            except CallFailed as failure:
                wait_s = failure.retry_after_s
                if not failure.retryable or (wait_s or 0.0) > self._options.max_wait_s:
                    raise
            backoff_s = min(self._options.backoff_s * 2.0**attempt, self._options.max_wait_s)
            self._sleep(backoff_s if wait_s is None else wait_s)
        return self._once(request)

    def _once(self, request: ChatRequest) -> ChatReply:
        with self._gate.passage():
            try:
                return self._inner.send(request)
            except CallFailed as failure:
                if failure.kind == "rate_limit":
                    asked_s = failure.retry_after_s
                    pause_s = self._options.backoff_s if asked_s is None else asked_s
                    self._gate.close_for(min(pause_s, self._options.max_wait_s))
                raise
