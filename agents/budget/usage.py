"""What the models of a run were asked, what it cost, and what each call came to."""

import threading
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field

from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.transport import ChatReply, ChatRequest
from llm_nas.domain import Cost, RoleUsage
from llm_nas.frozen import Frozen

PriceUsd = tuple[float, float]
"""USD per million tokens: in, out."""


def price_of(price: PriceUsd | None, tokens_in: int, tokens_out: int) -> float | None:
    """USD of some tokens, or None; from totals, so that the order of calls leaves no trace."""
    return None if price is None else (tokens_in * price[0] + tokens_out * price[1]) / 1e6


class CallRecord(Frozen):
    """One call, for the trace: no text, no key."""

    role: str
    niche: str
    generation: int
    model: str
    prompt: str
    """Name, version and hash of the prompt file."""
    request: str
    """First 16 hex digits of the request's fingerprint."""
    outcome: Literal["answer", "failure"]
    detail: str = ""
    """Form of the answer, or why there is none."""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = Field(default=0.0, ge=0)


class Usage:
    """Thread-safe counters per role, and the records of calls not yet taken."""

    def __init__(
        self,
        prices: Mapping[str, PriceUsd | None],
        spent: Mapping[str, RoleUsage] | None = None,
    ) -> None:
        """Start from what was `spent` before a resume; `prices` is by role, None unknown."""
        self._prices = dict(prices)
        self._roles = {role: RoleUsage() for role in self._prices} | dict(spent or {})
        self._records: list[CallRecord] = []
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def snapshot(self) -> dict[str, RoleUsage]:
        """Spend by role so far."""
        with self._lock:
            return dict(self._roles)

    def cost(self, seconds: float = 0.0) -> Cost:
        """The sum over roles; USD is None as soon as one role's price is unknown and used."""
        asked = {name: role for name, role in self.snapshot().items() if role.calls}
        roles = asked.values()
        dollars = [role.usd for role in roles]
        return Cost(
            calls=sum(r.calls for r in roles),
            tokens_in=sum(r.tokens_in for r in roles),
            tokens_out=sum(r.tokens_out for r in roles),
            usd=None if None in dollars else sum(d for d in dollars if d is not None),
            seconds=seconds,
            roles=asked,
        )

    def troubles(self) -> list[str]:
        """One line, once, for every role of which all calls failed so far."""
        failing = {
            name: role
            for name, role in self.snapshot().items()
            if role.calls and role.failures == role.calls and name not in self._told
        }
        self._told |= set(failing)
        return [
            f"{name}: all {role.calls} calls to {role.model} failed ({role.failure}); "
            "the offline agent stands in"
            for name, role in failing.items()
        ]

    def take(self, role: str, niche: str, generation: int) -> tuple[CallRecord, ...]:
        """Remove and return the records of one agent's calls in one niche and generation."""

        def wanted(record: CallRecord) -> bool:
            return (record.role, record.niche, record.generation) == (role, niche, generation)

        with self._lock:
            taken = tuple(r for r in self._records if wanted(r))
            self._records = [r for r in self._records if not wanted(r)]
        return taken

    def answered(self, request: ChatRequest, reply: ChatReply, seconds: float) -> None:
        """Count a call that gave an answer."""
        detail = " ".join(part for part in (reply.method, reply.finish) if part)
        record = _record(request, "answer", detail, seconds)
        self._add(record, (reply.tokens_in, reply.tokens_out))

    def failed(self, request: ChatRequest, failure: CallFailed, seconds: float) -> None:
        """Count a call that gave none, with what it cost all the same.

        Where the provider may have worked and does not say what it charges, the prompt's tokens
        are counted as estimated.
        """
        why, tokens = str(failure), failure.tokens
        if tokens is None:
            tokens = (request.prompt_tokens if failure.perhaps_paid else 0, 0)
        self._add(_record(request, "failure", why, seconds), tokens)
        self._bump(request.caller.role, lambda r: {"failures": r.failures + 1, "failure": why})

    def waited(self, role: str, seconds: float) -> None:
        """Count time in which a role waited for its model."""
        self._bump(role, lambda r: {"seconds": r.seconds + seconds})

    def repaired(self, role: str) -> None:
        """Count an answer that has to be asked for again."""
        self._bump(role, lambda r: {"repairs": r.repairs + 1})

    def _add(self, record: CallRecord, tokens: tuple[int, int]) -> None:
        price = self._prices.get(record.role)
        tokens_in, tokens_out = tokens
        record = record.model_copy(update={"tokens_in": tokens_in, "tokens_out": tokens_out})

        def more(role: RoleUsage) -> dict[str, int | float | str | None]:
            total_in, total_out = role.tokens_in + tokens_in, role.tokens_out + tokens_out
            return {
                "model": record.model,
                "calls": role.calls + 1,
                "tokens_in": total_in,
                "tokens_out": total_out,
                "usd": price_of(price, total_in, total_out),
            }

        self._bump(record.role, more)
        with self._lock:
            self._records.append(record)

    def _bump(
        self, name: str, change: Callable[[RoleUsage], Mapping[str, int | float | str | None]]
    ) -> None:
        with self._lock:
            role = self._roles.get(name, RoleUsage())
            self._roles[name] = role.model_copy(update=dict(change(role)))


def _record(
    request: ChatRequest, outcome: Literal["answer", "failure"], detail: str, seconds: float
) -> CallRecord:
    return CallRecord(
        role=request.caller.role,
        niche=request.caller.niche,
        generation=request.caller.generation,
        model=request.model,
        prompt=request.prompt,
        request=request.fingerprint[:16],
        outcome=outcome,
        detail=detail,
        seconds=seconds,
    )
