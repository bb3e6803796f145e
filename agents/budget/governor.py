"""Caps on calls, tokens, money and time.

A call is admitted while what is spent, plus what calls in flight have reserved, is below
every cap. So a cap is exceeded by no more than the calls in flight. Every attempt is a call:
retries, refused answers and repairs count like any other. Time is that in which a role waited for
its model; it is part of the usage, so that a resumed run goes on counting where it stopped.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal

from llm_nas.agents.budget.prices import user_table
from llm_nas.agents.budget.usage import PriceUsd, Usage, price_of
from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.transport import ChatReply, ChatRequest, ChatTransport
from llm_nas.domain import RoleUsage
from llm_nas.errors import RequestError


class CapReached(CallFailed):
    """A cap does not allow another call."""

    def __init__(self, message: str) -> None:
        super().__init__("spent", message)


class Governor(Usage):
    """Usage that can say no (thread-safe)."""

    def __init__(
        self,
        options: ModelOptions,
        prices: Mapping[str, PriceUsd | None],
        spent: Mapping[str, RoleUsage] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Caps from `options`; `RequestError` when money is capped and a price is unknown."""
        unknown = sorted(role for role, price in prices.items() if price is None)
        if options.max_usd is not None and unknown:
            raise RequestError(
                f"--max-usd: no price known for the model of {', '.join(unknown)}; "
                f"add it to {user_table()}, or cap tokens instead"
            )
        super().__init__(prices, spent)
        self._options = options
        self._clock = clock
        self._in_flight: dict[int, tuple[str, int]] = {}
        self._waiting_since: dict[str, float] = {}
        self._tickets = 0
        self._refused: str | None = None
        self._gate = threading.Lock()

    @property
    def when_spent(self) -> Literal["stop", "offline"]:
        """What the run does once a cap is reached."""
        return self._options.when_spent

    def exhausted(self) -> str | None:
        """The cap that allows no further call or has refused one, in words, or None."""
        with self._gate:
            return self._refused or self._reached(reserved=False)

    def admit(self, request: ChatRequest) -> int:
        """Reserve a call and its prompt's tokens; a ticket for `settle`.

        Raises `CapReached`, reserving nothing, when a cap allows no further call.
        """
        role = request.caller.role
        with self._gate:
            reached = self._reached(reserved=True)
            if reached is not None:
                self._refused = reached
                raise CapReached(reached)
            self._tickets += 1
            self._in_flight[self._tickets] = (role, request.prompt_tokens)
            self._waiting_since.setdefault(role, self._clock())
            return self._tickets

    def settle(self, ticket: int) -> None:
        """Give back a reservation, once the call has been counted."""
        with self._gate:
            role, _ = self._in_flight.pop(ticket)
            if not any(other == role for other, _ in self._in_flight.values()):
                self.waited(role, self._clock() - self._waiting_since.pop(role))

    def _reached(self, *, reserved: bool) -> str | None:
        cost = self.cost()
        flying = list(self._in_flight.values()) if reserved else []
        spent_usd = (cost.usd or 0.0) + sum(
            price_of(self._prices.get(role), tokens, 0) or 0.0 for role, tokens in flying
        )
        tokens = cost.tokens_in + cost.tokens_out + sum(t for _, t in flying)
        now = self._clock()
        seconds = sum(role.seconds for role in cost.roles.values())
        seconds += sum(now - since for since in self._waiting_since.values())
        spent: tuple[tuple[str, float, float | None], ...] = (
            ("calls", cost.calls + len(flying), self._options.max_calls),
            ("tokens", tokens, self._options.max_tokens),
            ("usd", spent_usd, self._options.max_usd),
            ("seconds", seconds, self._options.max_seconds),
        )
        for name, value, cap in spent:
            if cap is not None and value >= cap:
                return f"--max-{name} {cap:g} reached"
        return None


class MeteredTransport:
    """Admits, times and counts every call."""

    def __init__(
        self,
        inner: ChatTransport,
        governor: Governor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._governor = governor
        self._clock = clock

    def send(self, request: ChatRequest) -> ChatReply:
        """The inner transport's reply, counted; `CapReached` when a cap is in the way."""
        ticket = self._governor.admit(request)
        started = self._clock()
        try:
            reply = self._inner.send(request)
            self._governor.answered(request, reply, self._clock() - started)
            return reply
        except CallFailed as failure:
            self._governor.failed(request, failure, self._clock() - started)
            raise
        finally:
            self._governor.settle(ticket)
