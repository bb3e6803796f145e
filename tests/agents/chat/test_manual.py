"""A model by hand: files in, files out."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_nas.agents.chat.line import open_line
from llm_nas.agents.chat.manual import ManualTransport
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.transport import Caller, ChatRequest, Message
from llm_nas.agents.model import open_agents
from llm_nas.agents.model.ask import FormatError, ask
from llm_nas.domain import ACCURACY, SearchRequest
from llm_nas.errors import RequestError, RunStopped
from llm_nas.ports import NicheView, Partition, SearchSpace

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def request_of(niche: str = "S2", text: str = "x, please") -> ChatRequest:
    return ChatRequest(
        caller=Caller("designer", niche, 3),
        model="manual",
        messages=(Message("system", "You answer."), Message("user", text)),
        name="networks",
        schema=SCHEMA,
        format_hint='Answer with {"x": 1}.',
        prompt="",
        temperature=None,
        max_reply_tokens=100,
    )


def transport(folder: Path, wait_s: float = 5.0) -> ManualTransport:
    return ManualTransport(folder, wait_s, poll_s=0.01)


def parse_x(answer: dict[str, Any]) -> int:
    if not isinstance(answer.get("x"), int):
        raise FormatError('it needs a number "x"')
    return int(answer["x"])


class Person:
    """Answers whatever lies open in a folder, in the background."""

    def __init__(self, folder: Path, answer: Callable[[dict[str, Any]], object]) -> None:
        self.seen: list[str] = []
        self._folder = folder
        self._answer = answer
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Person":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._done.wait(0.01):
            for path in sorted(self._folder.glob("*.request.json")):
                body = json.loads(path.read_text())
                answer = self._folder / f"{body['id']}.answer.json"
                if not answer.exists():
                    self.seen.append(body["id"])
                    answer.write_text(json.dumps(self._answer(body)))


def test_a_request_is_two_files_and_an_answer_is_one(tmp_path: Path) -> None:
    with Person(tmp_path, lambda body: {"x": 3}):
        reply = transport(tmp_path).send(request_of())
    assert json.loads(reply.text) == {"x": 3}
    assert reply.model == "manual"
    page = (tmp_path / "0001-designer-S2.md").read_text()
    for wanted in ("You answer.", "x, please", 'Answer with {"x": 1}.', "0001.answer.json"):
        assert wanted in page
    assert json.loads((tmp_path / "0001.request.json").read_text()) == {
        "id": "0001",
        "role": "designer",
        "niche": "S2",
        "generation": 3,
        "messages": [
            {"role": "system", "content": "You answer."},
            {"role": "user", "content": "x, please"},
        ],
        "schema": SCHEMA,
    }
    assert not list(tmp_path.glob(".*"))


def test_what_a_chat_program_said_may_be_the_answer(tmp_path: Path) -> None:
    with Person(tmp_path, lambda body: {"text": 'Sure: ```{"x": 4}```'}):
        answer = ask(transport(tmp_path), request_of(), parse_x, repairs=0)
    assert answer.value == 4


def test_all_requests_lie_there_at_once(tmp_path: Path) -> None:
    waiting = transport(tmp_path)
    niches = [f"S{i}" for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(waiting.send, request_of(niche)) for niche in niches]
        while len(list(tmp_path.glob("*.md"))) < 8:
            time.sleep(0.01)
        with Person(tmp_path, lambda body: {"x": int(body["niche"][1:])}):
            values = [json.loads(future.result().text)["x"] for future in sent]
    assert values == list(range(8))


def test_a_bad_answer_gets_an_error_and_may_be_replaced(tmp_path: Path) -> None:
    answers = iter(["{not json", '{"x": "three"}', '{"x": 5}'])
    (tmp_path / "0001.answer.json").write_text(next(answers))
    told: list[str] = []
    done = threading.Event()

    def replace() -> None:
        error = tmp_path / "0001.error.txt"
        while not done.wait(0.01):
            if error.exists() and (not told or error.read_text() != told[-1]):
                told.append(error.read_text())
                (tmp_path / "0001.answer.json").write_text(next(answers))

    person = threading.Thread(target=replace)
    person.start()
    try:
        answer = ask(transport(tmp_path), request_of(), parse_x, repairs=2)
    finally:
        done.set()
        person.join()
    assert (answer.value, answer.repairs) == (5, 1)
    assert "no JSON" in told[0]
    assert 'it needs a number "x"' in told[1]
    assert not (tmp_path / "0001.error.txt").exists()
    assert len(list(tmp_path.glob("*.request.json"))) == 1


def test_an_answered_request_is_not_asked_again(tmp_path: Path) -> None:
    with Person(tmp_path, lambda body: {"x": int(body["id"])}) as person:
        first = transport(tmp_path)
        replies = [
            first.send(request_of()),
            first.send(request_of()),
            first.send(request_of("S3")),
        ]
    assert [json.loads(r.text)["x"] for r in replies] == [1, 2, 3]
    assert person.seen == ["0001", "0002", "0003"]
    resumed = transport(tmp_path, wait_s=0.05)
    assert resumed.send(request_of()) == replies[0]
    assert resumed.send(request_of("S3")) == replies[2]
    with pytest.raises(RunStopped, match="no answer to 0004"):
        resumed.send(request_of("S4"))
    with pytest.raises(RunStopped, match="no answer to 0004"):
        transport(tmp_path, wait_s=0.05).send(request_of("S4"))


def test_waiting_ends_when_the_run_is_stopped(tmp_path: Path) -> None:
    waiting = transport(tmp_path, wait_s=60.0)
    threading.Timer(0.1, waiting.stop).start()
    started = time.monotonic()
    with pytest.raises(RunStopped, match="stopped before 0001"):
        waiting.send(request_of())
    assert time.monotonic() - started < 5.0


def test_names_are_checked(tmp_path: Path) -> None:
    with Person(tmp_path, lambda body: {"x": 1}):
        transport(tmp_path).send(request_of("../../etc/pass wd"))
    assert (tmp_path / "0001-designer-.._.._etc_pass_wd.md").exists()
    (tmp_path / "0007.request.json").write_text("{broken")
    with pytest.raises(RequestError, match=r"0007\.request\.json is unreadable"):
        transport(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="--model manual"):
        transport(tmp_path / "file")


def test_two_programs_share_a_folder(tmp_path: Path) -> None:
    both = [transport(tmp_path), transport(tmp_path)]
    with Person(tmp_path, lambda body: {"x": int(body["niche"])}), ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(both[i % 2].send, request_of(str(i))) for i in range(10)]
        assert [json.loads(f.result().text)["x"] for f in sent] == list(range(10))
    assert len(list(tmp_path.glob("*.md"))) == 10


def test_a_person_can_be_designer_and_be_recorded_and_replayed(
    tmp_path: Path, space: SearchSpace, partition: Partition, view: NicheView
) -> None:
    arch = space.sample(np.random.default_rng(4), view.niche.condition)
    answer = {"plan": "", "networks": [{"reason": "mine", "arch": arch}]}
    folder, record = tmp_path / "asked", tmp_path / "tape.jsonl"
    request = SearchRequest(model=f"manual:{folder}", task="digits", device="pixel3")
    live = open_agents(
        request, space, partition, metric=ACCURACY, options=ModelOptions(record=record)
    )
    with Person(folder, lambda body: answer):
        told = live.designer.propose(view, (), np.random.default_rng(0))
    assert [(c.arch, c.origin, c.reason) for c in told] == [(arch, "manual", "mine")]
    assert live.governor.cost().usd == 0.0
    elsewhere = request.model_copy(update={"model": "manual:/another/place"})
    replayed = open_agents(
        elsewhere, space, partition, metric=ACCURACY, options=ModelOptions(replay=record)
    )
    assert replayed.designer.propose(view, (), np.random.default_rng(0)) == told
    assert replayed.governor.cost().tokens_out == live.governor.cost().tokens_out


def test_people_are_not_held_back_by_the_gate(tmp_path: Path) -> None:
    options = ModelOptions(concurrency=1, manual_wait_s=10.0)
    line = open_line({"designer": f"manual:{tmp_path}"}, options)
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(line.send, request_of(f"S{i}")) for i in range(4)]
        while len(list(tmp_path.glob("*.md"))) < 4:
            time.sleep(0.01)
        line.stop()
        for future in sent:
            with pytest.raises(RunStopped):
                future.result()
