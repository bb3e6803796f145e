"""Every fault of a server, over HTTP: retried where that helps, else a named failure."""

import json
from collections.abc import Callable

import pytest

from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.providers import open_model
from llm_nas.agents.chat.retry import Gate, RetryingTransport
from llm_nas.agents.chat.transport import Caller, ChatReply, ChatRequest, Message
from tests.agents.openai_server import (
    Answer,
    Asked,
    OpenAIServer,
    completion,
    empty_choices,
    failure,
    valid_nonsense,
)

SCHEMA = {
    "type": "object",
    "properties": {"x": {"type": "string", "enum": ["a"], "maxLength": 5}},
    "required": ["x"],
    "additionalProperties": False,
}
REQUEST = ChatRequest(
    caller=Caller("designer"),
    model="stub",
    messages=(Message("system", "You answer."), Message("user", "x?")),
    name="cells",
    schema=SCHEMA,
    format_hint='Answer with {"x": "a"}.',
    prompt="",
    temperature=0.7,
    max_reply_tokens=1500,
)
GOOD = completion('{"x": "a"}')


def send(server: OpenAIServer, options: ModelOptions) -> tuple[ChatReply, list[float]]:
    """Send once through retries; the reply and the waits."""
    waits: list[float] = []
    options = ModelOptions.model_validate(options.model_dump() | {"base_url": server.base_url})
    model = open_model("stub", options)
    line = RetryingTransport(model, Gate(2), options, sleep=waits.append)
    return line.send(REQUEST), waits


def first(fault: Answer, times: int = 1) -> Callable[[Asked], Answer]:
    """A script that fails some times, then answers."""
    return lambda asked: fault if asked.number < times else GOOD


@pytest.mark.parametrize(
    "fault",
    [
        failure(429),
        failure(500),
        failure(503),
        failure(408),
        Answer(cut="at once"),
        Answer(body=GOOD.body, cut="half way"),
        Answer(body=b"<html>busy</html>"),
        Answer(body=b'{"choices": null}'),
        Answer(body=b'{"object": "chat.completion"}'),
        empty_choices(),
        completion(""),
        completion(None),
    ],
)
def test_what_waiting_may_cure_is_tried_again(fault: Answer, options: ModelOptions) -> None:
    with OpenAIServer(first(fault)) as server:
        reply, waits = send(server, options)
    assert reply.text == '{"x": "a"}'
    assert (reply.tokens_in, reply.tokens_out, reply.model) == (100, 50, "stub")
    assert waits == [options.backoff_s]
    assert len(server.asked) == 2


def test_backoff_doubles_and_attempts_are_bounded(options: ModelOptions) -> None:
    with OpenAIServer(lambda _: failure(500)) as server:
        with pytest.raises(CallFailed, match="server: "):
            send(server, options)
    assert len(server.asked) == options.retries + 1


def test_retry_after_is_obeyed(options: ModelOptions) -> None:
    with OpenAIServer(first(failure(429, headers={"Retry-After": "0.25"}))) as server:
        _, waits = send(server, options)
    assert waits[-1] == 0.25


def test_retry_after_beyond_the_limit_is_a_failure(options: ModelOptions) -> None:
    with OpenAIServer(lambda _: failure(429, headers={"Retry-After": "3600"})) as server:
        with pytest.raises(CallFailed, match="rate_limit: ") as caught:
            send(server, options)
    assert caught.value.retry_after_s == 3600
    assert len(server.asked) == 1


def test_a_slow_server_is_a_timeout() -> None:
    options = ModelOptions(timeout_s=0.2, retries=0)
    with OpenAIServer(lambda _: completion("late", delay_s=0.6)) as server:
        with pytest.raises(CallFailed, match="timeout: "):
            send(server, options)


def test_nobody_listening_is_a_connection_failure(options: ModelOptions) -> None:
    with OpenAIServer(lambda _: GOOD) as server:
        url = server.base_url
    dead = ModelOptions.model_validate(options.model_dump() | {"base_url": url})
    with pytest.raises(CallFailed, match="connection: "):
        open_model("stub", dead).send(REQUEST)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (completion(None, refusal="I cannot help with that."), "refusal"),
        (completion('{"x"', finish="content_filter"), "refusal"),
        (completion('{"x": "a', finish="length"), "truncated"),
        (completion("x" * 1_048_576), "too_long"),
        (failure(401, "Incorrect API key provided: sk-abcdef123456"), "auth"),
        (failure(400, "context too long"), "bad_request"),
        (failure(404, "no such model"), "bad_request"),
    ],
)
def test_what_waiting_cannot_cure_fails_at_once(
    fault: Answer, kind: str, options: ModelOptions
) -> None:
    with OpenAIServer(lambda _: fault) as server:
        with pytest.raises(CallFailed) as caught:
            send(server, options)
    assert caught.value.kind == kind
    assert len(server.asked) == 1
    if fault.status == 200:
        assert caught.value.tokens == (100, 50), "what is refused is paid for"
    assert "sk-abc" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_schema_travels_as_response_format(options: ModelOptions) -> None:
    with OpenAIServer(valid_nonsense) as server:
        reply, _ = send(server, options)
    body = server.asked[0].body
    assert body["response_format"]["json_schema"]["schema"]["properties"] == SCHEMA["properties"]
    assert body["max_tokens"] == options.max_reply_tokens
    assert body["temperature"] == 0.7
    assert reply.method == "json_schema"
    assert json.loads(reply.text) == {"x": "a"}


def test_without_json_schema_a_tool_is_called_from_then_on(options: ModelOptions) -> None:
    def script(asked: Asked) -> Answer:
        if "response_format" in asked.body:
            return failure(400, "response_format of type json_schema is not supported")
        return valid_nonsense(asked)

    with OpenAIServer(script) as server:
        options = ModelOptions.model_validate(options.model_dump() | {"base_url": server.base_url})
        model = open_model("stub", options)
        replies = [model.send(REQUEST) for _ in range(2)]
    assert [r.method for r in replies] == ["function_calling"] * 2
    assert [json.loads(r.text) for r in replies] == [{"x": "a"}] * 2
    assert len(server.asked) == 3


def test_without_schema_and_tools_the_form_is_told_in_words(options: ModelOptions) -> None:
    def script(asked: Asked) -> Answer:
        if "response_format" in asked.body or "tools" in asked.body:
            return failure(422, "schema and tools are not supported")
        return completion('Of course: {"x": "a"}')

    with OpenAIServer(script) as server:
        reply, _ = send(server, options)
    assert reply.method == "plain"
    assert REQUEST.format_hint in server.asked[-1].body["messages"][0]["content"]


def test_openai_itself_gets_a_strict_schema(
    monkeypatch: pytest.MonkeyPatch, options: ModelOptions
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-000000")
    with OpenAIServer(lambda _: GOOD) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        open_model("openai:gpt-4.1", options).send(REQUEST)
    asked = server.asked[0]
    form = asked.body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["properties"]["x"] == {"type": "string", "enum": ["a"]}
    assert asked.body["max_completion_tokens"] == options.max_reply_tokens
    assert asked.headers["authorization"] == "Bearer sk-test-000000"


def test_a_server_by_url_gets_its_own_key(
    monkeypatch: pytest.MonkeyPatch, options: ModelOptions
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-0000")
    monkeypatch.setenv("LLM_NAS_API_KEY", "local-0000")
    with OpenAIServer(lambda _: GOOD) as server:
        send(server, options)
    assert server.asked[0].headers["authorization"] == "Bearer local-0000"
