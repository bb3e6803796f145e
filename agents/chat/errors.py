"""Failed calls: one error with a kind, made from whatever a provider raises, keys removed."""

import json
import os
import re
import sys
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias, cast

from llm_nas.errors import ModelReplyError

FailureKind: TypeAlias = Literal[
    "rate_limit",
    "server",
    "timeout",
    "connection",
    "empty",
    "malformed",
    "truncated",
    "refusal",
    "too_long",
    "unsupported",
    "bad_request",
    "auth",
    "format",
    "spent",
]

_CURED_BY_WAITING = frozenset(
    {"rate_limit", "server", "timeout", "connection", "empty", "malformed"}
)
_PERHAPS_PAID = frozenset({"timeout", "empty", "malformed", "truncated", "refusal", "too_long"})
_KEY_SHAPES = re.compile(r"\b(?:sk|pk|rk|gsk|key)-[\w*.\-]{6,}|(?i:bearer)\s+[\w.\-~+/]{6,}=*")
_LONGEST_MESSAGE = 300
_STATUS_KINDS: Mapping[int, FailureKind] = {
    401: "auth",
    403: "auth",
    408: "timeout",
    409: "server",
    413: "bad_request",
    429: "rate_limit",
}
_SDK_ROOTS = (
    ("openai", "OpenAIError"),
    ("anthropic", "AnthropicError"),
    ("google.genai.errors", "APIError"),
    ("mistralai.models", "MistralError"),
    ("cohere.core.api_error", "ApiError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("ollama", "ResponseError"),
    ("langchain_core.exceptions", "LangChainException"),
    ("httpx", "HTTPError"),
)
"""Roots of the errors that provider packages raise; looked up only where loaded."""


class CallFailed(ModelReplyError):
    """A call that gave no usable answer; `kind` says why, `retry_after_s` when to come back.

    `tokens` (in, out) is what the provider says it cost; None when it says nothing.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        retry_after_s: float | None = None,
        tokens: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(f"{kind}: {redact(message)}")
        self.kind: FailureKind = kind
        self.retry_after_s = retry_after_s
        self.tokens = tokens

    @property
    def perhaps_paid(self) -> bool:
        """Whether a provider that says nothing of the cost may have worked on the prompt."""
        return self.kind in _PERHAPS_PAID

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind in _CURED_BY_WAITING


def redact(text: str) -> str:
    """One line of at most 300 characters without anything that looks like a key."""
    for name, value in os.environ.items():
        if len(value) >= 6 and name.endswith(("_API_KEY", "_TOKEN", "_SECRET")):
            text = text.replace(value, "[key]")
    return " ".join(_KEY_SHAPES.sub("[key]", text).split())[:_LONGEST_MESSAGE]


def provider_errors() -> tuple[type[Exception], ...]:
    """Every error class a loaded provider package may raise, and what broken bodies cause."""
    roots: list[type[Exception]] = [ValueError, TypeError, KeyError, IndexError, OSError]
    for module, name in _SDK_ROOTS:
        root = getattr(sys.modules.get(module), name, None)
        if isinstance(root, type) and issubclass(root, Exception):
            roots.append(root)
    return tuple(roots)


def classify(error: Exception) -> CallFailed:
    """The failure an exception stands for, by HTTP status where it has one, else by type."""
    if isinstance(error, CallFailed):
        return error
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if isinstance(status, int) and status >= 400:
        return CallFailed(_kind_of_status(status, str(error)), str(error), _retry_after_s(error))
    told = f"{type(error).__name__}: {error}"
    return CallFailed(_kind_of_type(error), told, tokens=_tokens_of(error))


def _tokens_of(error: Exception) -> tuple[int, int] | None:
    """What an answer cost that its package refuses to hand over (cut off at its length)."""
    usage = getattr(getattr(error, "completion", None), "usage", None)
    tokens = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    if isinstance(tokens[0], int) and isinstance(tokens[1], int):
        return tokens[0], tokens[1]
    return None


def _kind_of_status(status: int, message: str) -> FailureKind:
    if status >= 500:
        return "unsupported" if status == 501 else "server"
    if status in {400, 404, 422} and _about_the_form(message):
        return "unsupported"
    if status == 429 and "insufficient_quota" in message:
        return "auth"
    return _STATUS_KINDS.get(status, "bad_request")


def _about_the_form(message: str) -> bool:
    """Whether a rejected request was rejected for its schema, tools or sampling settings."""
    words = (
        "response_format",
        "json_schema",
        "schema",
        "grammar",
        "tool",
        "function",
        "temperature",
    )
    return any(word in message.lower() for word in words)


def _kind_of_type(error: Exception) -> FailureKind:
    names = " ".join(cls.__name__ for cls in type(error).__mro__)
    if "LengthFinish" in names:
        return "truncated"
    if "ContentFilter" in names or "Refusal" in names:
        return "refusal"
    if "Timeout" in names:
        return "timeout"
    if "Connect" in names or "Protocol" in names or isinstance(error, OSError):
        return "connection"
    if isinstance(error, json.JSONDecodeError | KeyError | TypeError | IndexError | ValueError):
        return "malformed"
    return "server"


def _retry_after_s(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    values = cast(Mapping[str, str], headers)
    if (milliseconds := values.get("retry-after-ms")) is not None:
        return _seconds(milliseconds, 1e-3)
    value = values.get("retry-after")
    return None if value is None else _seconds(value, 1.0)


def _seconds(value: str, unit_s: float) -> float | None:
    """A Retry-After value in seconds: a number, or a date (RFC 9110, 10.2.3)."""
    try:
        return max(0.0, float(value) * unit_s)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    from datetime import UTC, datetime

    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
