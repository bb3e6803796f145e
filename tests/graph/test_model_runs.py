"""Whole runs with scripted models: replay, faults, caps, blind, and no key anywhere."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_nas.agents.chat import ChatReply, ChatRequest
from llm_nas.agents.chat_errors import CallFailed
from llm_nas.agents.chat_nonsense import NONSENSE_MODEL, NonsenseTransport
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.errors import RunStopped
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import resume, search
from tests.agents.openai_server import OpenAIServer, failure
from tests.graph.requests import RequestMaker


class Failing:
    """Nonsense that fails for a share of requests, by seed and request."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._seed = seed
        self._inner = NonsenseTransport(seed)

    def send(self, request: ChatRequest) -> ChatReply:
        rng = random.Random(f"{self._seed} {request.fingerprint}")
        if rng.random() < self._share:
            raise CallFailed(rng.choice(["timeout", "refusal"]), "as the script says")
        return self._inner.send(request)


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]


def test_a_replayed_run_is_the_recorded_one(
    inputs: Inputs, request_of: RequestMaker, tmp_path: Path
) -> None:
    tape = tmp_path / "tape.jsonl"
    recording = replace(
        inputs, options=ModelOptions(record=tape, retries=0), transport=Failing(0.2, 1)
    )
    first = search(request_of("first", model=NONSENSE_MODEL), recording)
    replaying = replace(inputs, options=ModelOptions(replay=tape, retries=0))
    second = search(request_of("second", model=NONSENSE_MODEL), replaying)
    assert first.front == second.front
    assert first.proposals == second.proposals
    assert first.cost.calls == second.cost.calls > 0
    assert first.cost.tokens_in == second.cost.tokens_in > 0


@pytest.mark.parametrize("seed", range(3))
def test_failing_calls_lose_no_cell_and_measure_none_twice(
    inputs: Inputs, request_of: RequestMaker, seed: int
) -> None:
    failing = replace(
        inputs, options=ModelOptions(retries=0, repairs=0), transport=Failing(0.3, seed)
    )
    report = search(request_of(model=NONSENSE_MODEL, seed=seed), failing)
    told = events(report.out)
    measured = Counter(e["data"]["arch"] for e in told if e["event"] == "measurement")
    assert report.evaluations == len(measured) == 30
    assert set(measured.values()) == {1}
    assert any(e["event"] == "failed" for e in told)


def test_a_cap_stops_the_run_and_a_resume_ends_it(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    capped = replace(inputs, options=ModelOptions(max_calls=1), transport=NonsenseTransport())
    with pytest.raises(RunStopped, match="--max-calls 1 reached"):
        search(request_of(model=NONSENSE_MODEL), capped)
    open_again = replace(inputs, options=ModelOptions(), transport=NonsenseTransport())
    assert resume(request_of().out or "", open_again).evaluations == 30


def test_when_spent_a_run_may_go_on_offline(inputs: Inputs, request_of: RequestMaker) -> None:
    capped = replace(
        inputs,
        options=ModelOptions(max_calls=1, when_spent="offline"),
        transport=NonsenseTransport(),
    )
    report = search(request_of(model=NONSENSE_MODEL), capped)
    assert report.evaluations == 30
    calls = [e for e in events(report.out) if e["event"] == "call"]
    assert sum(e["data"]["outcome"] == "answer" for e in calls) == 1


def test_no_key_is_written_anywhere(
    inputs: Inputs, request_of: RequestMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-verysecret-0123456789"
    monkeypatch.setenv("LLM_NAS_API_KEY", key)
    tape = tmp_path / "tape.jsonl"
    options = ModelOptions(record=tape, retries=0, timeout_s=5)
    with OpenAIServer(lambda _: failure(401, f"Incorrect API key provided: {key}")) as server:
        report = search(
            request_of(model="stub", base_url=server.base_url), replace(inputs, options=options)
        )
        assert server.asked[0].headers["authorization"] == f"Bearer {key}"
    assert report.evaluations == 30
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert key.encode() not in file.read_bytes(), file


def test_a_blind_run_ends_like_any_other(inputs: Inputs, request_of: RequestMaker) -> None:
    blind = replace(inputs, options=ModelOptions(blind=True), transport=NonsenseTransport())
    report = search(request_of(model=NONSENSE_MODEL), blind)
    assert report.evaluations == 30
    assert report.proposals.novel == 30
