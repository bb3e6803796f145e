"""Record and replay."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llm_nas.agents.chat.cassette import Cassette, CassetteMiss, Recorder, open_replay
from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.transport import Caller, ChatReply, ChatRequest, Message
from llm_nas.errors import ModelReplyError, RequestError

REQUEST = ChatRequest(
    caller=Caller("designer", "S1", 2),
    model="m",
    messages=(Message("system", "You design."), Message("user", "Parents:\nP1\nP2")),
    name="cells",
    schema={"type": "object"},
    format_hint="",
    prompt="designer v1",
    temperature=0.7,
    max_reply_tokens=100,
)


class Counting:
    """Answers with a counter; fails on every third call."""

    def __init__(self) -> None:
        self.calls = 0

    def send(self, request: ChatRequest) -> ChatReply:
        self.calls += 1
        if self.calls % 3 == 0:
            raise CallFailed("timeout", "too slow", tokens=(7, 3))
        return ChatReply(f'{{"n": {self.calls}}}', 10, 5, "m-1", "json_schema", "stop")


def record(path: Path) -> list[ChatReply]:
    recorder = Recorder(Counting(), Cassette(path))
    replies = [recorder.send(REQUEST), recorder.send(REQUEST)]
    with pytest.raises(CallFailed):
        recorder.send(REQUEST)
    return replies


def test_a_replay_gives_the_same_answers_and_failures(tmp_path: Path) -> None:
    replies = record(tmp_path / "c.jsonl")
    player = open_replay(tmp_path / "c.jsonl")
    assert [player.send(REQUEST), player.send(REQUEST)] == replies
    with pytest.raises(CallFailed, match="timeout: too slow") as caught:
        player.send(REQUEST)
    assert (caught.value.kind, caught.value.tokens) == ("timeout", (7, 3))


def test_a_miss_is_loud_and_shows_the_difference(tmp_path: Path) -> None:
    record(tmp_path / "c.jsonl")
    player = open_replay(tmp_path / "c.jsonl")
    other = replace(
        REQUEST,
        messages=(REQUEST.messages[0], Message("user", "Parents:\nP1\nP3")),
        schema={"type": "array"},
    )
    with pytest.raises(CassetteMiss) as caught:
        player.send(other)
    told = str(caught.value)
    assert "no answer recorded for designer S1 generation 2" in told
    assert "-P2\n+P3" in told
    assert "schema differs" in told
    assert not isinstance(caught.value, ModelReplyError), "a fallback must not swallow it"


def test_asking_more_often_than_recorded_is_a_miss(tmp_path: Path) -> None:
    record(tmp_path / "c.jsonl")
    player = open_replay(tmp_path / "c.jsonl")
    player.send(REQUEST)
    player.send(REQUEST)
    with pytest.raises(CallFailed):
        player.send(REQUEST)
    with pytest.raises(CassetteMiss, match="asked less often"):
        player.send(REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"temperature": 0.1},
        {"max_reply_tokens": 9},
        {"schema": {}},
        {"format_hint": "x"},
        {"messages": ()},
    ],
)
def test_whatever_can_change_the_answer_changes_the_key(change: dict[str, object]) -> None:
    assert replace(REQUEST, **change).fingerprint != REQUEST.fingerprint  # type: ignore[arg-type]


def test_who_asks_does_not_change_the_key() -> None:
    assert replace(REQUEST, caller=Caller("x")).fingerprint == REQUEST.fingerprint


def test_recording_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    record(path)
    with path.open("a") as file:
        file.write('{"cassette": 2, "key": "cut of')
    model = Counting()
    recorder = Recorder(model, Cassette(path))
    assert recorder.send(REQUEST).text == '{"n": 1}'
    assert model.calls == 0
    recorder.send(replace(REQUEST, model="n"))
    assert open_replay(path).send(replace(REQUEST, model="n")).text == '{"n": 1}'


def test_a_cassette_that_is_none_is_a_bad_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        open_replay(tmp_path / "absent.jsonl")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps({"cassette": 99}) + "\n")
    with pytest.raises(RequestError, match="line 1: not a call recorded"):
        open_replay(wrong)
    wrong.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="unreadable"):
        open_replay(wrong)


def test_an_empty_cassette_says_so(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").touch()
    with pytest.raises(CassetteMiss, match="empty"):
        open_replay(tmp_path / "c.jsonl").send(REQUEST)


def test_a_place_that_cannot_be_written_is_a_bad_request(tmp_path: Path) -> None:
    recorder = Recorder(Counting(), Cassette(tmp_path / "no" / "c.jsonl"))
    with pytest.raises(RequestError, match="--record"):
        recorder.send(REQUEST)
