"""Failures have a kind, one line, and no key."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from llm_nas.agents.chat.errors import CallFailed, classify, redact
from llm_nas.agents.chat.options import ModelOptions, model_label, role_models
from llm_nas.errors import LlmNasError, RequestError


def test_keys_are_removed_from_whatever_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hunter2hunter2")
    told = redact("bad key hunter2hunter2, sk-proj-abc_123456, Bearer eyJhbGciOi.x-y==\nsee docs")
    assert told == "bad key [key], [key], [key] see docs"
    assert "hunter2" not in str(CallFailed("auth", "key hunter2hunter2"))


def test_messages_are_one_line_of_bounded_length() -> None:
    assert len(redact("a\n" * 5000)) == 300


class Status(Exception):
    """An error as provider packages raise them."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status_code = status
        self.response = httpx.Response(status, headers=headers)


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (Status(429), "rate_limit", True),
        (Status(429, "insufficient_quota: pay"), "auth", False),
        (Status(500), "server", True),
        (Status(529), "server", True),
        (Status(501), "unsupported", False),
        (Status(403), "auth", False),
        (Status(400, "unknown parameter: response_format"), "unsupported", False),
        (Status(400, "too long"), "bad_request", False),
        (httpx.ReadTimeout("x"), "timeout", True),
        (httpx.ConnectError("x"), "connection", True),
        (httpx.RemoteProtocolError("x"), "connection", True),
        (ConnectionResetError(), "connection", True),
        (KeyError("choices"), "malformed", True),
        (ValueError("no"), "malformed", True),
        (RuntimeError("?"), "server", True),
    ],
)
def test_kinds(error: Exception, kind: str, retryable: bool) -> None:
    failure = classify(error)
    assert (failure.kind, failure.retryable) == (kind, retryable)
    assert isinstance(failure, LlmNasError)
    assert classify(failure) is failure


def test_retry_after_is_seconds_milliseconds_or_a_date() -> None:
    assert classify(Status(429, headers={"Retry-After": "7"})).retry_after_s == 7
    assert classify(Status(429, headers={"retry-after-ms": "1500"})).retry_after_s == 1.5
    assert classify(Status(429, headers={"Retry-After": "soon"})).retry_after_s is None
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    wait_s = classify(Status(429, headers={"Retry-After": later})).retry_after_s
    assert wait_s is not None
    assert 25 < wait_s <= 30
    assert classify(Status(429)).retry_after_s is None


def test_roles_default_to_the_requests_model() -> None:
    options = ModelOptions(designer_model="big")
    assert role_models("small", options) == {
        "analyst": "small",
        "designer": "big",
        "opener": "big",
    }
    assert model_label("manual:/home/me/answers") == "manual"
    assert model_label("openai:gpt-4.1") == "openai:gpt-4.1"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://x/v1", "expected http"),
        ("nonsense", "expected http"),
        ("http://u:p@x/v1", "no key"),
    ],
)
def test_urls_are_checked(url: str, told: str) -> None:
    with pytest.raises(RequestError, match=told) as caught:
        ModelOptions(base_url=url)
    assert "p@x" not in str(caught.value)


def test_record_and_replay_exclude_each_other() -> None:
    with pytest.raises(RequestError, match="exclude each other"):
        ModelOptions(record=Path("a"), replay=Path("b"))
