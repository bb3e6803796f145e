"""What a call to a language model is made of, and the one verb every transport has.

Transports wrap each other, outermost first: retries and the concurrency gate (`retry`), metering
(`llm_nas.agents.budget.governor`), record and replay (`cassette`), the provider (`providers`,
`manual`, `nonsense`). So every attempt is counted and recorded, not only the last one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

JsonSchema: TypeAlias = Mapping[str, Any]
Method: TypeAlias = Literal["json_schema", "function_calling", "plain"]

_BYTES_PER_TOKEN = 2.4
"""Cautious: lists of values make 2.5 to 3 bytes a token, prose 4."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: role, niche and generation; not part of what the model sees."""

    role: str
    niche: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One rendered request, complete enough to be sent, recorded and found again."""

    caller: Caller
    model: str
    messages: tuple[Message, ...]
    name: str
    """Name of the answer's schema."""
    schema: JsonSchema
    format_hint: str
    """The answer's form in words, for models that can hold no schema."""
    prompt: str
    """Name, version and hash of the prompt file."""
    temperature: float | None
    max_reply_tokens: int

    @property
    def schema_digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the schema."""
        return digest(dict(self.schema))[:16]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that can change the answer; never a key, URL or time."""
        return digest(
            {
                "model": self.model,
                "messages": [[m.role, m.content] for m in self.messages],
                "name": self.name,
                "schema": self.schema_digest,
                "format_hint": self.format_hint,
                "temperature": self.temperature,
                "max_reply_tokens": self.max_reply_tokens,
            }
        )

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all turns, as estimated."""
        return sum(estimate_tokens(m.content) for m in self.messages)

    def followed_by(self, *messages: Message) -> "ChatRequest":
        """The same request with more turns."""
        return replace(self, messages=(*self.messages, *messages))


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What came back, and what it cost."""

    text: str
    tokens_in: int
    tokens_out: int
    model: str
    method: Method
    finish: str = ""


class ChatTransport(Protocol):
    """Sends a request; raises `llm_nas.agents.chat.errors.CallFailed` for every failure."""

    def send(self, request: ChatRequest) -> ChatReply:
        """The reply to a request."""
        ...


def estimate_tokens(text: str) -> int:
    """Tokens of a text, erring upwards; no tokenizer is loaded."""
    return int(len(text.encode()) / _BYTES_PER_TOKEN) + 1


def digest(value: object) -> str:
    """SHA-256 of a JSON value, as hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
