"""Retries with backoff, and the gate that bounds concurrency and obeys rate limits."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

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
            self._wait()
            yield

    def _wait(self) -> None:
        while (remaining_s := self._remaining_s()) > 0:
            self._sleep(remaining_s)

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
        retrying = Retrying(
            stop=stop_after_attempt(self._options.retries + 1),
            wait=self._wait_s,
            retry=retry_if_exception(self._worth_retrying),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._once, request)

    def _once(self, request: ChatRequest) -> ChatReply:
        with self._gate.passage():
            try:
                return self._inner.send(request)
            except CallFailed as failure:
                if failure.kind == "rate_limit":
                    self._gate.close_for(self._pause_s(failure))
                raise

    def _pause_s(self, failure: CallFailed) -> float:
        """How long a rate limit holds everybody back."""
        asked_s = failure.retry_after_s
        return min(
            self._options.backoff_s if asked_s is None else asked_s, self._options.max_wait_s
        )

    def _worth_retrying(self, error: BaseException) -> bool:
        if not isinstance(error, CallFailed) or not error.retryable:
            return False
        return (error.retry_after_s or 0.0) <= self._options.max_wait_s

    def _wait_s(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, CallFailed) and failure.retry_after_s is not None:
            return failure.retry_after_s
        backoff_s = self._options.backoff_s * 2.0 ** (state.attempt_number - 1)
        return min(backoff_s, self._options.max_wait_s)
