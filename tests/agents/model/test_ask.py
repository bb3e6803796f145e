"""Asking again: bounded, and with the error shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.agents.chat.errors import CallFailed, FailureKind
from llm_nas.agents.chat.transport import Caller, ChatReply, ChatRequest, Message
from llm_nas.agents.model.ask import Answer, FormatError, ask, read_object

REQUEST = ChatRequest(
    caller=Caller("designer", "S1", 0),
    model="m",
    messages=(Message("user", "cells, please"),),
    name="cells",
    schema={"type": "object"},
    format_hint="",
    prompt="",
    temperature=None,
    max_reply_tokens=100,
)


class Scripted:
    """Answers in order; an exception in the list is raised."""

    def __init__(self, *answers: str | CallFailed) -> None:
        self.answers = list(answers)
        self.requests: list[ChatRequest] = []

    def send(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, CallFailed):
            raise answer
        return ChatReply(answer, 1, 1, "m-2026", "plain")


def parse_x(answer: dict[str, Any]) -> int:
    if not isinstance(answer.get("x"), int):
        raise FormatError('it needs a number "x"')
    return int(answer["x"])


def test_a_good_answer_is_taken_at_once() -> None:
    model = Scripted('{"x": 3}')
    assert ask(model, REQUEST, parse_x, repairs=2) == Answer(3, "m-2026", 0)
    assert model.requests == [REQUEST]


def test_the_model_sees_its_answer_and_the_error() -> None:
    model = Scripted("I would rather not say", '{"x": "three"}', '{"x": 3}')
    repaired: list[int] = []
    answer = ask(model, REQUEST, parse_x, repairs=2, on_repair=lambda: repaired.append(1))
    assert (answer.value, answer.repairs, len(repaired)) == (3, 2, 2)
    said, shown = model.requests[2].messages[1:]
    assert said == Message("assistant", '{"x": "three"}')
    assert 'it needs a number "x"' in shown.content


def test_asking_again_is_bounded() -> None:
    model = Scripted("a", "b", "c", "d")
    with pytest.raises(CallFailed, match=r"format: .*asked 3 times"):
        ask(model, REQUEST, parse_x, repairs=2)
    assert len(model.requests) == 3


def test_an_answer_that_was_cut_off_is_asked_for_again() -> None:
    model = Scripted(CallFailed("truncated", "length"), '{"x": 1}')
    assert ask(model, REQUEST, parse_x, repairs=1).value == 1
    assert "cut off" in model.requests[1].messages[-1].content


@pytest.mark.parametrize("kind", ["refusal", "auth", "timeout", "spent", "too_long"])
def test_other_failures_are_not_asked_again(kind: FailureKind) -> None:
    model = Scripted(CallFailed(kind, "no"), '{"x": 1}')
    with pytest.raises(CallFailed) as caught:
        ask(model, REQUEST, parse_x, repairs=2)
    assert caught.value.kind == kind
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "text",
    ['{"x": 1}', '```json\n{"x": 1}\n```', 'Sure! {"x": 1} I hope this helps {not json}'],
)
def test_json_is_found_in_prose(text: str) -> None:
    assert read_object(text) == {"x": 1}


@pytest.mark.parametrize("text", ["", "[1]", '{"x": 1', "{" * 100_000, '{"a":' * 50_000])
def test_what_is_no_object_is_a_format_error(text: str) -> None:
    with pytest.raises(FormatError):
        read_object(text)


@given(st.text())
def test_any_text_gives_an_object_or_a_format_error(text: str) -> None:
    try:
        assert isinstance(read_object(text), dict)
    except FormatError:
        pass
