"""What everything that asks a model shares: which model, over which line, in which words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from llm_nas.agents.blind import Lexicon
from llm_nas.agents.chat import Caller, ChatRequest, ChatTransport, JsonSchema, Message
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.agents.prompts import Prompt
from llm_nas.agents.reply import ask

T = TypeVar("T")


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
class Seat:
    """One model, as one role or survey asks it; safe to use from several threads."""

    transport: ChatTransport
    model: str
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
        """The parsed answer; raises `CallFailed` where there is none (`llm_nas.agents.reply`)."""
        return ask(
            self.transport,
            request,
            parse,
            repairs=self.options.repairs,
            on_repair=lambda: self.on_repair(request.caller.role),
        ).value
