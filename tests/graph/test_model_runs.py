"""Whole runs with scripted models: replay, faults, caps, blind, and no key anywhere."""

import json
import random
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_nas.agents.chat import ChatReply, ChatRequest, ChatTransport
from llm_nas.agents.chat_errors import CallFailed
from llm_nas.agents.chat_nonsense import NONSENSE_MODEL, NonsenseTransport
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError, RunStopped
from llm_nas.evaluation.page_data import page_run
from llm_nas.experiments.system import drive
from llm_nas.experiments.variants import model_alone
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import resume, search
from llm_nas.graph.story import tell
from llm_nas.graph.trace import read_trace
from llm_nas.ports import Benchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201
from tests.agents.openai_server import OpenAIServer, failure
from tests.agents.oracle import Oracle, best_cells
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
        inputs, options=ModelOptions(retries=0, repairs=0), transport=Failing(0.5, seed)
    )
    report = search(request_of(model=NONSENSE_MODEL, seed=seed), failing)
    told = events(report.out)
    measured = Counter(e["data"]["arch"] for e in told if e["event"] == "measurement")
    assert report.evaluations == len(measured) == 30
    assert set(measured.values()) == {1}
    failures = {
        (e["generation"], e["niche"], e["role"])
        for e in told
        if e["event"] == "call" and e["data"]["outcome"] == "failure"
    }
    noted = {(e["generation"], e["niche"], e["role"]) for e in told if e["event"] == "failed"}
    assert noted == failures != set()


def test_how_proposals_fared_is_kept_for_every_model(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    model = replace(inputs, transport=NonsenseTransport())
    report = search(request_of(model=NONSENSE_MODEL), model)
    by_source = report.proposals_by["source"]
    assert set(by_source) == {NONSENSE_MODEL, "offline"}
    assert sum(c.raw for c in by_source.values()) == report.proposals.raw
    assert sum(c.novel for c in by_source.values()) == report.evaluations
    told = [e["data"] for e in events(report.out) if e["event"] == "generation"]
    for name, counts in by_source.items():
        raw = [d["proposals"].get(name, {"raw": 0})["raw"] for d in told]
        assert sum(raw) == counts.raw > 0
    assert f"{NONSENSE_MODEL}: " in "\n".join(tell(read_trace(report.out)))
    rows = {(s.grouping, s.name): s for s in page_run(report, read_trace(report.out)).sources}
    assert rows["source", NONSENSE_MODEL].rates == by_source[NONSENSE_MODEL].rates()
    assert rows["source", NONSENSE_MODEL].rates.raw_valid > 0.5


@pytest.mark.parametrize("seed", range(2))
def test_nonsense_gets_few_slots_and_costs_little(
    inputs: Inputs, request_of: RequestMaker, seed: int
) -> None:
    """Means over contexts and seeds: `benchmarks/agents_models.py nonsense`."""
    fields = {"budget": 60, "generations": 6, "seed": seed}
    offline = search(request_of("offline", **fields), inputs)
    nonsense = replace(inputs, transport=NonsenseTransport(seed))
    report = search(request_of("nonsense", model=NONSENSE_MODEL, **fields), nonsense)
    assert 0 < report.proposals_by["source"][NONSENSE_MODEL].novel <= 60 / 8
    assert report.hv > offline.hv - 0.05


def test_an_oracle_earns_slots(
    inputs: Inputs, request_of: RequestMaker, predicted_pct: FloatArray, pack: Benchmark
) -> None:
    space = nas_bench_201()
    latency_ms = pack.latency_ms("cifar10", "fpga")
    best = best_cells(make_partition(space), predicted_pct, latency_ms, seed=0)
    fields = {"budget": 60, "generations": 12, "model": NONSENSE_MODEL}
    models: dict[str, ChatTransport] = {
        "nonsense": NonsenseTransport(),
        "oracle": Oracle(space, best),
    }
    cells = {
        name: search(request_of(name, **fields), replace(inputs, transport=transport))
        .proposals_by["source"][NONSENSE_MODEL]
        .novel
        for name, transport in models.items()
    }
    assert cells["oracle"] > cells["nonsense"]


class Meeting:
    """Lets the calls of the second generation pass only when twelve of them are there."""

    def __init__(self) -> None:
        self._everybody = threading.Barrier(12, timeout=20)
        self._inner = NonsenseTransport()

    def send(self, request: ChatRequest) -> ChatReply:
        if request.caller.generation == 1:
            self._everybody.wait()
        return self._inner.send(request)


def test_both_roles_of_all_niches_are_asked_at_the_same_time(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    meeting = replace(inputs, transport=Meeting())
    request = request_of(model=NONSENSE_MODEL, budget=24, generations=2)
    assert len(drive(request, meeting, model_alone)) == 24


def test_a_cap_stops_the_run_and_a_resume_ends_it(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    capped = replace(inputs, options=ModelOptions(max_calls=1), transport=NonsenseTransport())
    with pytest.raises(RunStopped, match="--max-calls 1 reached"):
        search(request_of(model=NONSENSE_MODEL), capped)
    open_again = replace(inputs, options=ModelOptions(), transport=NonsenseTransport())
    assert resume(request_of().out or "", open_again).evaluations == 30


def test_a_resume_may_raise_a_cap_and_keeps_the_rest(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    model = replace(inputs, transport=NonsenseTransport())
    options = ModelOptions(max_calls=1, temperature=0.1)
    with pytest.raises(RunStopped, match="--max-calls 1 reached"):
        search(request_of(model=NONSENSE_MODEL, generations=5), replace(model, options=options))
    folder = request_of.folder / "run"
    with pytest.raises(RunStopped, match="--max-calls 2 reached"):
        resume(folder, model, {"max_calls": 2})
    with pytest.raises(RequestError, match="no such file"):
        resume(folder, model, {"replay": folder / "nothing.jsonl"})
    report = resume(folder, model, {"max_calls": None})
    assert report.cost.calls > 2
    kept = json.loads((folder / "request.json").read_text())["options"]
    assert (kept["max_calls"], kept["temperature"]) == (None, 0.1)


@pytest.mark.parametrize("partition", ["latency:4", "flops:4", "auto:4"])
def test_a_models_cells_are_in_their_niche_whatever_the_partition(
    inputs: Inputs, request_of: RequestMaker, partition: str
) -> None:
    model = replace(inputs, transport=NonsenseTransport())
    request = request_of(model=NONSENSE_MODEL, partition=partition, budget=24, generations=2)
    assert len(drive(request, model, model_alone)) == 24
    verdicts = [e["data"] for e in events(request_of.folder / "run") if e["event"] == "verdict"]
    own = [v for v in verdicts if v["source"] == NONSENSE_MODEL]
    assert len(own) > 20
    assert not [v for v in own if v["kind"] in ("out_of_niche", "illegal")]


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


def test_a_cap_that_the_last_generation_reaches_stops_nothing(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    capped = replace(inputs, options=ModelOptions(max_calls=1), transport=NonsenseTransport())
    report = search(request_of(model=NONSENSE_MODEL, budget=12, generations=1), capped)
    assert report.evaluations == 12
    assert (report.cost.calls, sum(r.calls for r in report.cost.roles.values())) == (1, 1)


def test_options_of_models_need_a_model(inputs: Inputs, request_of: RequestMaker) -> None:
    lone = replace(inputs, options=ModelOptions(max_calls=5))
    with pytest.raises(RequestError, match=r"--max-calls: --model is offline"):
        search(request_of(), lone)


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
    failing = [r for r in report.cost.roles.values() if r.calls]
    assert all(r.failures == r.calls and r.failure.startswith("auth: ") for r in failing)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert key.encode() not in file.read_bytes(), file


def test_a_blind_run_ends_like_any_other(inputs: Inputs, request_of: RequestMaker) -> None:
    blind = replace(inputs, options=ModelOptions(blind=True), transport=NonsenseTransport())
    report = search(request_of(model=NONSENSE_MODEL), blind)
    assert report.evaluations == 30
    assert report.proposals.novel == 30
