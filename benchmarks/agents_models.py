"""Searches with scripted models: wall time, faults, nonsense, and prompt sizes.

    python benchmarks/agents_models.py wall       # 120 calls to a server that takes 1.5 s each
    python benchmarks/agents_models.py faults     # 20 seeded runs with 30 % of calls failing
    python benchmarks/agents_models.py nonsense   # hv with valid nonsense against offline
    python benchmarks/agents_models.py prompts    # tokens per prompt, and a run's estimate

Each prints one JSON document. No language model and no network beyond loopback is used;
without the public tables the runs use the embedded surrogate tables and say so.
"""

import argparse
import importlib.util
import json
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
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.tools.data import open_benchmark
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
SERVER = Path(__file__).parents[1] / "tests" / "agents" / "openai_server.py"


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
    """A default run of 120 calls against a loopback server that answers in 1.5 s."""
    spec = importlib.util.spec_from_file_location("openai_server", SERVER)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(SERVER)
    module = importlib.util.module_from_spec(spec)
    sys.modules["openai_server"] = module
    spec.loader.exec_module(module)
    inputs = prepared("cifar10")

    def slow(asked: Any) -> Any:
        return module.valid_nonsense(asked, delay_s=1.5)

    with module.OpenAIServer(slow) as server:
        report, seconds, _ = run(
            inputs, dataset="cifar10", device="edgegpu", model="stub", base_url=server.base_url
        )
        at_once = server.most_at_once
    return {
        "calls": report.cost.calls,
        "seconds": round(seconds, 1),
        "serial_seconds": 1.5 * report.cost.calls,
        "most_calls_at_once": at_once,
    }


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
    """Mean hv over six contexts and three seeds: valid nonsense against offline."""
    rows: list[dict[str, Any]] = []
    source = ""
    for dataset, device in CONTEXTS:
        inputs = prepared(dataset)
        for seed in range(3):
            fields = {"dataset": dataset, "device": device, "seed": seed}
            offline, _, _ = run(inputs, **fields)
            model = replace(inputs, transport=NonsenseTransport(seed))
            other, _, _ = run(model, **fields, model=NONSENSE_MODEL)
            source = offline.data_source
            rows.append({**fields, "offline": offline.hv, "nonsense": other.hv})
            print(json.dumps(rows[-1]), file=sys.stderr)
    means = {m: float(np.mean([r[m] for r in rows])) for m in ("offline", "nonsense")}
    return {"data": source, **means, "loss": means["offline"] - means["nonsense"], "runs": rows}


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
