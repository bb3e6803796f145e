"""The provider end of a call: LangChain chat models, asked for structured output.

`openai:NAME`, or any NAME with a base URL, goes through langchain-openai; any other
`provider:NAME` through LangChain's `init_chat_model` (extra `providers`). A model that
rejects a form of answer is asked in the next simpler one from then on.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from llm_nas.agents.chat.errors import CallFailed, FailureKind, classify, provider_errors
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.transport import ChatReply, ChatRequest, JsonSchema, Message, Method
from llm_nas.errors import RequestError

LADDER: tuple[Method, ...] = ("json_schema", "function_calling", "plain")
LONGEST_REPLY_CHARS = 60_000
"""A longer answer is refused unread; a full one has about 3,000."""
_NOT_IN_STRICT = frozenset({"minLength", "maxLength", "default"})
"""Keywords OpenAI's strict mode refuses; local grammars use them to keep reasons short."""


class RawModel(Protocol):
    """The part of a LangChain chat model used here."""

    def invoke(self, input: Any) -> Any:
        """One message for a list of turns."""
        ...

    def bind(self, **kwargs: Any) -> Any:
        """The same model, with more in every request."""
        ...

    def bind_tools(self, tools: Sequence[dict[str, Any]], **kwargs: Any) -> Any:
        """The same model, given tools to call."""
        ...


class LangChainTransport:
    """One chat model, remembering which forms of answer it has refused (thread-safe)."""

    def __init__(
        self,
        model: RawModel,
        name: str,
        *,
        ladder: Sequence[Method] = LADDER,
        strict: bool = False,
    ) -> None:
        """Wrap `model`; `strict` asks for OpenAI's strict mode."""
        self._model = model
        self._name = name
        self._ladder = tuple(ladder)
        self._strict = strict
        self._rung = 0
        self._lock = threading.Lock()

    @property
    def method(self) -> Method:
        """The form of answer asked for now."""
        return self._ladder[self._rung]

    def send(self, request: ChatRequest) -> ChatReply:
        """The model's answer in the richest form it accepts."""
        while True:
            method = self.method
            try:
                return self._send_as(method, request)
            except CallFailed as failure:
                if failure.kind != "unsupported" or method == self._ladder[-1]:
                    raise
                self._step_down_from(method)

    def _step_down_from(self, method: Method) -> None:
        with self._lock:
            if self.method == method:
                self._rung += 1

    def _send_as(self, method: Method, request: ChatRequest) -> ChatReply:
        errors = provider_errors()
        try:
            message = self._invoke(method, request)
        except errors as error:
            raise classify(error) from None
        return self._reply(method, message)

    def _invoke(self, method: Method, request: ChatRequest) -> object:
        # Not `with_structured_output`: its lenient JSON parser takes minutes over a megabyte.
        turns = _turns(request, hint=method == "plain")
        schema = _strict_form(request.schema) if self._strict else dict(request.schema)
        if method == "plain":
            return self._model.invoke(turns)
        if method == "json_schema":
            form = {"name": request.name, "schema": schema, "strict": self._strict}
            bound = self._model.bind(response_format={"type": "json_schema", "json_schema": form})
            return bound.invoke(turns)
        function = {
            "name": request.name,
            "description": "Gives the answer.",
            "parameters": schema,
        } | ({"strict": True} if self._strict else {})
        tool = {"type": "function", "function": function}
        return self._model.bind_tools([tool], tool_choice=request.name).invoke(turns)

    def _reply(self, method: Method, message: object) -> ChatReply:
        """The reply, or `CallFailed` that tells what the refused answer cost."""
        text, tokens = _text(message), _tokens(message)
        details: Mapping[str, Any] = getattr(message, "response_metadata", None) or {}
        finish = str(details.get("finish_reason") or "")
        refused = _refused(message, text, finish)
        if refused is not None:
            raise CallFailed(*refused, tokens=tokens)
        tokens_in, tokens_out = tokens or (0, 0)
        return ChatReply(
            text=text,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            model=str(details.get("model_name") or self._name),
            method=method,
            finish=finish,
        )


def _refused(message: object, text: str, finish: str) -> tuple[FailureKind, str] | None:
    """Why an answer cannot be used, before it is read; None when it can."""
    extra: Mapping[str, Any] = getattr(message, "additional_kwargs", None) or {}
    if extra.get("refusal"):
        return "refusal", str(extra["refusal"])
    if len(text) > LONGEST_REPLY_CHARS:
        return "too_long", f"an answer of {len(text)} characters (limit {LONGEST_REPLY_CHARS})"
    if finish == "content_filter":
        return "refusal", "the provider's content filter cut the answer"
    if finish == "length":
        return "truncated", "the answer was cut off at its longest length"
    if not text.strip():
        return "empty", f"no content (finish reason {finish or 'none'})"
    return None


def _tokens(message: object) -> tuple[int, int] | None:
    """Tokens (in, out) that the provider counted, or None."""
    usage: Mapping[str, Any] = getattr(message, "usage_metadata", None) or {}
    if not usage:
        return None
    return int(usage.get("input_tokens", 0)), int(usage.get("output_tokens", 0))


def _turns(request: ChatRequest, *, hint: bool) -> list[tuple[str, str]]:
    messages: Sequence[Message] = request.messages
    turns: list[tuple[str, str]] = [(m.role, m.content) for m in messages]
    if hint:
        role, content = turns[0]
        turns[0] = (role, f"{content}\n\n{request.format_hint}")
    return turns


def _strict_form(schema: JsonSchema) -> dict[str, Any]:
    """A copy without the keywords that OpenAI's strict mode refuses."""

    def clean(node: object) -> object:
        if isinstance(node, dict):
            items = cast(dict[str, object], node).items()
            return {k: clean(v) for k, v in items if k not in _NOT_IN_STRICT}
        if isinstance(node, list):
            return [clean(part) for part in cast(list[object], node)]
        return node

    return cast(dict[str, Any], clean(dict(schema)))


def _text(message: object) -> str:
    """The answer as JSON text, whether it came as content or as a tool call."""
    calls: Sequence[Mapping[str, Any]] = getattr(message, "tool_calls", None) or ()
    if calls:
        return json.dumps(calls[0]["args"])
    broken: Sequence[Mapping[str, Any]] = getattr(message, "invalid_tool_calls", None) or ()
    if broken:
        return str(broken[0].get("args") or "")
    content = getattr(message, "content", "")
    if isinstance(content, str):
        return content
    blocks = cast(list[object], content)
    return "".join(
        str(cast(dict[str, Any], b).get("text", "")) if isinstance(b, dict) else str(b)
        for b in blocks
    )


def open_model(name: str, options: ModelOptions) -> LangChainTransport:
    """Build the transport for a model name; `RequestError` for a missing key or package."""
    provider, colon, bare = name.partition(":")
    if options.base_url is not None:
        return _openai(bare if colon and provider == "openai" else name, options)
    if provider == "openai" and bare:
        return _openai(bare, options)
    if colon and bare:
        return _any_provider(name, options)
    raise RequestError(
        f"--model {name!r}: no language model; expected 'openai:NAME', 'provider:NAME', "
        "or any name together with --base-url"
    )


def _openai(name: str, options: ModelOptions) -> LangChainTransport:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    local = options.base_url is not None
    key = (local and os.environ.get("LLM_NAS_API_KEY")) or os.environ.get("OPENAI_API_KEY")
    if key is None and not local:
        raise RequestError(f"--model openai:{name}: set OPENAI_API_KEY, or give --base-url")
    # Compatible servers know `max_tokens`; OpenAI itself wants the newer name.
    limit: dict[str, Any] = {"max_completion_tokens": options.max_reply_tokens}
    if local:
        limit = {"extra_body": {"max_tokens": options.max_reply_tokens}}
    model = ChatOpenAI(
        model=name,
        base_url=options.base_url,
        api_key=SecretStr(key or "none"),
        temperature=options.temperature,
        timeout=options.timeout_s,
        max_retries=0,
        use_responses_api=False,
        **limit,
    )
    return LangChainTransport(cast(RawModel, model), name, strict=not local)


def _any_provider(name: str, options: ModelOptions) -> LangChainTransport:
    try:
        chat_models = import_module("langchain.chat_models")
    except ImportError:
        raise RequestError(
            f"--model {name}: install the extra: pip install 'llm-nas[providers]', "
            "and the provider's LangChain package"
        ) from None
    try:
        model: RawModel = chat_models.init_chat_model(
            name,
            temperature=options.temperature,
            timeout=options.timeout_s,
            max_retries=0,
            max_tokens=options.max_reply_tokens,
        )
    except (ImportError, ValueError) as error:
        raise RequestError(f"--model {name}: {classify(ValueError(str(error)))}") from None
    return LangChainTransport(model, name, ladder=LADDER[1:])
