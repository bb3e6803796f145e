"""Ask, parse, show the error, ask again: a bounded number of times."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.transport import Caller, ChatRequest, ChatTransport, JsonSchema, Message
from llm_nas.agents.model.blind import Lexicon
from llm_nas.agents.model.prompts import Prompt, load_prompt

T = TypeVar("T")
_SHOWN_CHARS = 1_500
"""How much of a broken answer its author is shown again."""


class FormatError(ValueError):
    """An answer's form is wrong; the message is meant for the model."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form an answer must have."""

    name: str
    schema: JsonSchema
    hint: str
    """The schema in words, for models that can hold none."""


def _not_counted(role: str) -> None:
    del role


@dataclass(frozen=True, slots=True)
class Asker:
    """One model, as one role asks it; safe to use from several threads."""

    transport: ChatTransport
    model: str
    """The name that records carry."""
    lexicon: Lexicon
    options: ModelOptions
    on_repair: Callable[[str], None] = _not_counted
    """Called with the role whose answer has to be asked for again."""

    def request(
        self, caller: Caller, prompt: Prompt, messages: tuple[Message, ...], form: Form
    ) -> ChatRequest:
        """A rendered request to this model."""
        return ChatRequest(
            caller=caller,
            model=self.model,
            messages=messages,
            name=form.name,
            schema=form.schema,
            format_hint=form.hint,
            prompt=prompt.label,
            temperature=self.options.temperature,
            max_reply_tokens=self.options.max_reply_tokens,
        )

    def ask(self, request: ChatRequest, parse: Callable[[dict[str, Any]], T]) -> T:
        """The parsed answer; raises `CallFailed` where there is none."""
        return ask(
            self.transport,
            request,
            parse,
            repairs=self.options.repairs,
            on_repair=lambda: self.on_repair(request.caller.role),
        ).value


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A parsed answer, who gave it, and how often it had to be asked for again."""

    value: T
    model: str
    repairs: int


def ask(
    transport: ChatTransport,
    request: ChatRequest,
    parse: Callable[[dict[str, Any]], T],
    *,
    repairs: int,
    on_repair: Callable[[], None] = lambda: None,
) -> Answer[T]:
    """The parsed answer to a request.

    `parse` raises `FormatError` for an object it cannot use; the model then sees its answer
    and the error, up to `repairs` times. Raises `CallFailed` when the last answer is still
    unusable, or the call itself fails.
    """
    turn, problem = request, ""
    for attempt in range(repairs + 1):
        text = ""
        try:
            reply = transport.send(turn)
            text = reply.text
            return Answer(parse(read_object(text)), reply.model, attempt)
        except FormatError as error:
            problem = str(error)
        except CallFailed as failure:
            if failure.kind != "truncated":
                raise
            problem = "it was cut off before its end; be much shorter"
        if attempt < repairs:
            on_repair()
            turn = request.followed_by(*_correction(text, problem))
    raise CallFailed("format", f"{problem} (asked {repairs + 1} times)")


def _correction(text: str, problem: str) -> tuple[Message, ...]:
    shown = Message("assistant", text[:_SHOWN_CHARS] or "(cut off)")
    return (shown, *load_prompt("repair").fill(error=problem))


def read_object(text: str) -> dict[str, Any]:
    """The first JSON object in a text, which may be fenced or surrounded by prose."""
    start = text.find("{")
    if start < 0:
        raise FormatError("it holds no JSON object")
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except json.JSONDecodeError as error:
        raise FormatError(f"it is not valid JSON ({error.msg} at {error.pos})") from None
    except RecursionError:
        raise FormatError("it is nested too deeply") from None
    return cast(dict[str, Any], value)
