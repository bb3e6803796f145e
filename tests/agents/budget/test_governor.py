"""Caps: what is admitted, counted and refused."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_nas.agents.budget.governor import CapReached, Governor, MeteredTransport
from llm_nas.agents.budget.usage import PriceUsd
from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.retry import Gate, RetryingTransport
from llm_nas.agents.chat.transport import Caller, ChatReply, ChatRequest, Message
from llm_nas.domain import RoleUsage
from llm_nas.errors import RequestError

PRICES: Mapping[str, PriceUsd | None] = {"analyst": (2.0, 8.0), "designer": (1.0, 4.0)}


def request_of(role: str = "designer", text: str = "x") -> ChatRequest:
    return ChatRequest(
        caller=Caller(role, "S2", 3),
        model="m",
        messages=(Message("user", text),),
        name="cells",
        schema={},
        format_hint="",
        prompt="designer v1",
        temperature=None,
        max_reply_tokens=10,
    )


class Slow:
    """Lets `width` calls pass at a time, and counts them."""

    def __init__(self, width: int) -> None:
        self.sent = 0
        self._lock = threading.Lock()
        self._together = threading.Barrier(width)

    def send(self, request: ChatRequest) -> ChatReply:
        with self._lock:
            self.sent += 1
        self._together.wait(5)
        return ChatReply("{}", 1000, 500, "m", "plain")


class Instant:
    """Answers or fails at once."""

    def __init__(self, error: CallFailed | None = None) -> None:
        self.error = error

    def send(self, request: ChatRequest) -> ChatReply:
        if self.error:
            raise self.error
        return ChatReply("{}", 1000, 500, "m", "plain", "stop")


def test_spend_is_counted_by_role_and_priced() -> None:
    governor = Governor(ModelOptions(), PRICES)
    line = MeteredTransport(Instant(), governor)
    line.send(request_of("analyst"))
    line.send(request_of("designer"))
    line.send(request_of("designer"))
    spent = {
        role: u.model_copy(update={"seconds": 0.0}) for role, u in governor.snapshot().items()
    }
    assert spent["analyst"] == RoleUsage(
        model="m", calls=1, tokens_in=1000, tokens_out=500, usd=0.006
    )
    assert spent["designer"] == RoleUsage(
        model="m", calls=2, tokens_in=2000, tokens_out=1000, usd=0.006
    )
    total = governor.cost(seconds=1.5)
    assert (total.calls, total.tokens_in, total.tokens_out, total.seconds) == (3, 3000, 1500, 1.5)
    assert total.usd == pytest.approx(0.012)


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    governor = Governor(ModelOptions(), {**PRICES, "analyst": None})
    line = MeteredTransport(Instant(), governor)
    line.send(request_of("designer"))
    assert governor.cost().usd == pytest.approx(0.003)
    line.send(request_of("analyst"))
    assert governor.cost().usd is None


def test_a_resumed_run_starts_from_what_was_spent() -> None:
    before = {"designer": RoleUsage(calls=4, tokens_in=10, tokens_out=10, usd=0.5)}
    governor = Governor(ModelOptions(max_calls=5), PRICES, before)
    line = MeteredTransport(Instant(), governor)
    line.send(request_of())
    assert governor.exhausted() == "--max-calls 5 reached"
    with pytest.raises(CapReached, match="spent: --max-calls 5 reached"):
        line.send(request_of())


@pytest.mark.parametrize(
    ("caps", "calls", "told"),
    [
        (ModelOptions(max_calls=3), 3, "--max-calls"),
        (ModelOptions(max_tokens=4000), 3, "--max-tokens"),
        (ModelOptions(max_usd=0.0062), 3, "--max-usd"),
    ],
)
def test_each_cap_ends_the_calls(caps: ModelOptions, calls: int, told: str) -> None:
    governor = Governor(caps, PRICES)
    line = MeteredTransport(Instant(), governor)
    for _ in range(calls):
        assert governor.exhausted() is None
        line.send(request_of())
    with pytest.raises(CapReached, match=told):
        line.send(request_of())
    assert governor.cost().calls == calls


def test_time_counts_while_a_role_waits_and_goes_on_after_a_resume() -> None:
    now = [0.0]

    class Takes:
        def send(self, request: ChatRequest) -> ChatReply:
            now[0] += 6.0
            return ChatReply("{}", 1, 1, "m", "plain")

    def clock() -> float:
        return now[0]

    first = Governor(ModelOptions(max_seconds=10), PRICES, clock=clock)
    MeteredTransport(Takes(), first).send(request_of())
    now[0] += 100.0
    assert first.exhausted() is None, "time in which nobody waited does not count"
    assert first.snapshot()["designer"].seconds == 6.0
    resumed = Governor(ModelOptions(max_seconds=10), PRICES, first.snapshot(), clock)
    MeteredTransport(Takes(), resumed).send(request_of())
    assert resumed.exhausted() == "--max-seconds 10 reached"


def test_calls_at_the_same_time_count_once() -> None:
    now = [0.0]
    governor = Governor(ModelOptions(max_seconds=10), PRICES, clock=lambda: now[0])
    tickets = [governor.admit(request_of()) for _ in range(3)]
    now[0] = 4.0
    for ticket in tickets:
        governor.settle(ticket)
    assert governor.snapshot()["designer"].seconds == 4.0


def test_refused_answers_cost_what_the_provider_says() -> None:
    """Fifty over-long answers of 17,000 tokens against a cap of 10,000: one is paid for."""
    refused = CallFailed("too_long", "an answer of 70000 characters", tokens=(100, 17_000))
    governor = Governor(ModelOptions(max_tokens=10_000), PRICES)
    line = MeteredTransport(Instant(refused), governor)
    for _ in range(50):
        with pytest.raises(CallFailed):
            line.send(request_of())
    spent = governor.snapshot()["designer"]
    assert (spent.calls, spent.tokens_in, spent.tokens_out) == (1, 100, 17_000)
    assert spent.usd == pytest.approx((100 * 1.0 + 17_000 * 4.0) / 1e6)


def test_a_prompt_perhaps_paid_for_is_counted_as_estimated() -> None:
    governor = Governor(ModelOptions(), PRICES)
    request = request_of(text="x" * 960)
    for kind, counted in (("timeout", True), ("rate_limit", False), ("connection", False)):
        before = governor.cost().tokens_in
        with pytest.raises(CallFailed):
            MeteredTransport(Instant(CallFailed(kind, "no")), governor).send(request)  # type: ignore[arg-type]
        assert governor.cost().tokens_in - before == counted * request.prompt_tokens


def test_every_attempt_is_a_call() -> None:
    """Retries count: six attempts are allowed, whatever request they belong to."""
    options = ModelOptions(max_calls=6, retries=4, backoff_s=0.001)
    governor = Governor(options, PRICES)
    inner = MeteredTransport(Instant(CallFailed("server", "busy")), governor)
    line = RetryingTransport(inner, Gate(4), options, sleep=lambda seconds: None)
    with pytest.raises(CallFailed, match="server"):
        line.send(request_of())
    assert governor.cost().calls == 5
    with pytest.raises(CapReached):
        line.send(request_of())
    assert governor.cost().calls == 6


def test_calls_in_flight_hold_their_place() -> None:
    """Twenty threads against a cap of six calls: six are sent, not one more."""
    governor = Governor(ModelOptions(max_calls=6), PRICES)
    slow = Slow(width=6)
    line = MeteredTransport(slow, governor)

    def attempt(_: int) -> bool:
        try:
            line.send(request_of())
        except CapReached:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        admitted = sum(pool.map(attempt, range(20)))
    assert admitted == slow.sent == governor.cost().calls == 6


def test_tokens_exceed_their_cap_by_calls_in_flight_at_most() -> None:
    governor = Governor(ModelOptions(max_tokens=2000), PRICES)
    slow = Slow(width=4)
    line = MeteredTransport(slow, governor)

    def attempt(_: int) -> None:
        try:
            line.send(request_of(text="x" * 960))
        except CapReached:
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, range(8)))
    flying = 4
    assert slow.sent <= 5
    assert governor.cost().tokens_in <= 2000 + flying * 1500


def test_a_refused_call_ends_a_run_that_stops_at_its_caps() -> None:
    """A call in flight holds all that is left; when it costs less, the run stops all the same."""
    governor = Governor(ModelOptions(max_tokens=200), PRICES)
    ticket = governor.admit(request_of(text="x" * 960))
    with pytest.raises(CapReached):
        governor.admit(request_of())
    governor.settle(ticket)
    assert governor.cost().calls == 0
    assert governor.exhausted() == "--max-tokens 200 reached"


def test_a_model_that_only_fails_is_told_once() -> None:
    governor = Governor(ModelOptions(), PRICES)
    line = MeteredTransport(Instant(CallFailed("auth", "wrong key")), governor)
    assert governor.troubles() == []
    with pytest.raises(CallFailed):
        line.send(request_of())
    (told,) = governor.troubles()
    assert told.startswith("designer: all 1 calls to m failed (auth: wrong key)")
    assert governor.troubles() == []


def test_failures_are_recorded() -> None:
    governor = Governor(ModelOptions(), PRICES)
    line = MeteredTransport(Instant(CallFailed("refusal", "no", tokens=(9, 1))), governor)
    with pytest.raises(CallFailed):
        line.send(request_of())
    spent = governor.snapshot()["designer"]
    assert (spent.calls, spent.failures, spent.failure) == (1, 1, "refusal: no")
    assert (spent.tokens_in, spent.tokens_out) == (9, 1)
    (record,) = governor.take("designer", "S2", 3)
    assert (record.outcome, record.detail) == ("failure", "refusal: no")
    assert governor.take("designer", "S2", 3) == ()


def test_money_can_only_be_capped_where_prices_are_known() -> None:
    with pytest.raises(RequestError, match=r"no price known for the model of analyst"):
        Governor(ModelOptions(max_usd=1.0), {"analyst": None, "designer": (1.0, 1.0)})
