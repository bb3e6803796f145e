"""Searches with scripted models: wall time, faults, nonsense, and prompt sizes.

    python benchmarks/agents_models.py wall       # 120 calls to a server that takes 1.5 s each
    python benchmarks/agents_models.py faults     # 20 seeded runs with 30 % of calls failing
    python benchmarks/agents_models.py nonsense   # hv of nonsense and of an oracle against offline
    python benchmarks/agents_models.py prompts    # tokens per prompt, and a run's estimate

Each prints one JSON document. No language model and no network beyond loopback is used;
without the public tables the runs use the embedded surrogate tables and say so.
"""

import argparse
import importlib.util
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.agents import ModelOptions
from llm_nas.agents.chat import ChatReply, ChatRequest
from llm_nas.agents.chat_errors import CallFailed
from llm_nas.agents.chat_estimate import estimate_run
from llm_nas.agents.chat_nonsense import NONSENSE_MODEL, NonsenseTransport
from llm_nas.agents.prompts import TOKEN_LIMITS, prompt_labels
from llm_nas.domain import SearchReport, SearchRequest
from llm_nas.experiments.system import drive
from llm_nas.experiments.variants import Change, model_alone, unchanged
from llm_nas.graph.context import Inputs, SearchContext
from llm_nas.graph.search import search
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.latency import open_latency
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import train_predictor
from llm_nas.tools.space import nas_bench_201

CONTEXTS = (
    ("cifar10", "edgegpu"),
    ("cifar10", "eyeriss"),
    ("cifar100", "fpga"),
    ("cifar100", "pixel3"),
    ("ImageNet16-120", "raspi4"),
    ("ImageNet16-120", "edgetpu"),
)
CALL_S = 1.5
"""What a call takes in `wall`."""
NICHES = 6
SCRIPTED = Path(__file__).parents[1] / "tests" / "agents"


class Failing:
    """Fails a share of calls, drawn by seed and request, with every kind of failure."""

    KINDS = ("rate_limit", "server", "timeout", "connection", "refusal", "truncated", "malformed")

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._seed = seed
        self._inner = NonsenseTransport(seed)
        self.failed = 0

    def send(self, request: ChatRequest) -> ChatReply:
        """Valid nonsense, or a failure."""
        rng = random.Random(f"{self._seed} {request.fingerprint}")
        if rng.random() < self._share:
            self.failed += 1
            raise CallFailed(rng.choice(self.KINDS), "as the script says")  # type: ignore[arg-type]
        return self._inner.send(request)


def prepared(dataset: str, seed: int = 0) -> Inputs:
    """Tables and a trained predictor, shared by the runs of a dataset."""
    benchmark = open_benchmark()
    predicted = train_predictor(benchmark, dataset, 1000, seed).predict_all()
    return Inputs(benchmark=benchmark, predicted_pct=predicted)


def run(inputs: Inputs, **fields: Any) -> tuple[SearchReport, float, list[str]]:
    """One search in a throw-away folder: report, seconds, measured cells."""
    with tempfile.TemporaryDirectory() as folder:
        place = {"out": Path(folder) / "run", "store": Path(folder) / "store"}
        request = SearchRequest.model_validate({**fields, **place})
        start = time.perf_counter()
        report = search(request, inputs)
        seconds = time.perf_counter() - start
        lines = (Path(folder) / "run" / "trace.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    cells = [e["arch"] if "arch" in e else e["data"]["arch"] for e in events if _measured(e)]
    return report, seconds, cells


def _measured(event: dict[str, Any]) -> bool:
    return event["event"] == "measurement"


def wall() -> dict[str, Any]:
    """Runs of 120 evaluations against a loopback server that answers in 1.5 s.

    `default` is the search as it is: a niche without slots is not asked about, and the model
    designs where it has earned slots. `every call` has every niche ask both roles in each of
    ten generations (equal shares, the model alone). Before anything is measured the Analyst
    has nothing to ask; the first Designer answer of every niche is cut off and asked for again
    in its stead, which makes 6 x 10 x 2 = 120 calls.
    """
    inputs = prepared("cifar10")
    return {"default": _timed(inputs), "every call": _timed(inputs, model_alone, cut_first=True)}


def _timed(inputs: Inputs, change: Change = unchanged, *, cut_first: bool = False) -> Any:
    stub = _from_tests("openai_server")
    opened: list[SearchContext] = []

    def kept(context: SearchContext) -> SearchContext:
        opened.append(change(context))
        return opened[0]

    def slow(asked: Any) -> Any:
        if cut_first and len(server.asked) <= NICHES:
            return stub.completion("{", finish="length", delay_s=CALL_S)
        return stub.valid_nonsense(asked, delay_s=CALL_S)

    with tempfile.TemporaryDirectory() as folder, stub.OpenAIServer(slow) as server:
        place = {"out": Path(folder) / "run", "store": Path(folder) / "store"}
        asked = {"dataset": "cifar10", "device": "edgegpu", "model": "stub"}
        request = SearchRequest.model_validate(asked | place | {"base_url": server.base_url})
        start, cpu = time.perf_counter(), time.process_time()
        cells = drive(request, inputs, kept)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    governor = opened[0].agents.governor
    calls = {r: u.calls for r, u in governor.snapshot().items()} if governor else {}
    return {
        "evaluations": len(set(cells)),
        "calls": sum(calls.values()),
        "calls_by_role": calls,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "one_after_the_other_seconds": CALL_S * sum(calls.values()),
        "most_calls_at_once": server.most_at_once,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _from_tests(name: str) -> Any:
    """A scripted server or model of the test suite, as a module."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTED / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(SCRIPTED / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def faults() -> dict[str, Any]:
    """Twenty seeded runs; every cell measured once, and as many as the budget."""
    inputs = prepared("cifar10")
    lost = twice = failed = calls = 0
    for seed in range(20):
        model = Failing(0.3, seed)
        options = ModelOptions(retries=0, repairs=0)
        with_model = replace(inputs, options=options, transport=model)
        fields = {"dataset": "cifar10", "device": "fpga", "budget": 60, "generations": 5}
        report, _, cells = run(with_model, **fields, seed=seed, model=NONSENSE_MODEL)
        twice += sum(n - 1 for n in Counter(cells).values())
        lost += 60 - len(set(cells)) if report.evaluations == 60 else 60
        failed += model.failed
        calls += report.cost.calls
    return {"runs": 20, "calls": calls, "failed": failed, "lost": lost, "measured_twice": twice}


def nonsense() -> dict[str, Any]:
    """Mean hv over six contexts and three seeds: valid nonsense, and an oracle, against offline.

    The oracle proposes cells of the predicted front, in a seeded order: the best a model could
    do. Nonsense should cost next to nothing, and the oracle should win slots and hv.
    """
    oracle = _from_tests("oracle")
    space = nas_bench_201()
    rows: list[dict[str, Any]] = []
    for dataset, device in CONTEXTS:
        inputs = prepared(dataset)
        latency_ms = open_latency(open_benchmark(), dataset, device, space).values_ms
        for seed in range(3):
            fields = {"dataset": dataset, "device": device, "seed": seed}
            best = oracle.best_cells(make_partition(space), inputs.predicted_pct, latency_ms, seed)
            models = {"nonsense": NonsenseTransport(seed), "oracle": oracle.Oracle(space, best)}
            rows.append(_against_offline(inputs, fields, models))
            print(json.dumps(rows[-1]), file=sys.stderr)
    return _losses(rows)


def _against_offline(
    inputs: Inputs, fields: dict[str, Any], models: dict[str, Any]
) -> dict[str, Any]:
    offline, _, _ = run(inputs, **fields)
    row = {**fields, "data": offline.data_source, "offline": offline.hv}
    for name, transport in models.items():
        report, _, _ = run(replace(inputs, transport=transport), **fields, model=NONSENSE_MODEL)
        by_source = report.proposals_by["source"]
        own = by_source.get(NONSENSE_MODEL)
        row |= {name: report.hv, f"{name}_cells": own.novel if own else 0}
    return row


def _losses(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows]))

    return {
        "data": rows[0]["data"],
        "hv": {name: mean(name) for name in ("offline", "nonsense", "oracle")},
        "loss_of_nonsense": mean("offline") - mean("nonsense"),
        "gain_of_oracle": mean("oracle") - mean("offline"),
        "cells_of_120": {name: mean(f"{name}_cells") for name in ("nonsense", "oracle")},
        "runs": rows,
    }


def prompts() -> dict[str, Any]:
    """Hashes, limits and the estimate of a default run with gpt-4.1."""
    space = nas_bench_201()
    request = SearchRequest(dataset="cifar10", device="edgegpu", model="openai:gpt-4.1")
    run_estimate = estimate_run(request, space, make_partition(space))
    return {
        "prompts": prompt_labels(),
        "limits_tokens": TOKEN_LIMITS,
        "estimate": run_estimate.model_dump(),
    }


COMMANDS: dict[str, Callable[[], dict[str, Any]]] = {
    "wall": wall,
    "faults": faults,
    "nonsense": nonsense,
    "prompts": prompts,
}


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(COMMANDS))
    print(json.dumps(COMMANDS[parser.parse_args().what](), indent=2))


if __name__ == "__main__":
    main()
