"""A whole search with a real model, recorded once, replayed with no network.

Recorded with Qwen2.5-Coder-1.5B-Instruct (Q4_K_M) on llama.cpp's server and the models of
the embedded pack:

    llm-nas search --model qwen2.5-coder-1.5b --base-url http://127.0.0.1:8091/v1 \
        --budget 48 --generations 4 --dataset cifar10 --device edgegpu --seed 0 --record FILE
"""

import json
from functools import cache
from pathlib import Path

import pytest

from llm_nas.agents.cassette import CassetteMiss
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.domain import FloatArray, SearchReport, SearchRequest
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.graph.trace import read_trace
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.predictor import PredictorOptions, train_predictor

CASSETTE = Path(__file__).parents[1] / "fixtures" / "cassettes" / "qwen2.5-coder-1.5b-run.jsonl"
HV = 0.9899
"""What the recorded run printed."""


def replay(folder: Path, cassette: Path) -> SearchReport:
    request = SearchRequest(
        dataset="cifar10",
        device="edgegpu",
        seed=0,
        budget=48,
        generations=4,
        model="qwen2.5-coder-1.5b",
        out=folder / "run",
        store=folder / "store",
    )
    options = ModelOptions(replay=cassette, retries=0)
    benchmark = PackBenchmark(own=None)
    inputs = Inputs(options=options, benchmark=benchmark, predicted_pct=recorded_predictions())
    return search(request, inputs)


@cache
def recorded_predictions() -> FloatArray:
    """Predictions of the kind the recorded prompts show: no label was chosen for its promise."""
    labels_by = PredictorOptions(labels_by="niches")
    trained = train_predictor(PackBenchmark(own=None), "cifar10", 1000, 0, options=labels_by)
    return trained.predict_all()


def test_the_recorded_search_comes_out_again_twice(tmp_path: Path) -> None:
    runs = [replay(tmp_path / name, CASSETTE) for name in ("first", "second")]
    tracks = CASSETTE.read_text().splitlines()
    for run in runs:
        assert run.cost.calls == len(tracks) == 12
        assert run.evaluations == 48
        assert run.hv == pytest.approx(HV, abs=5e-5)
    assert runs[0].front == runs[1].front
    # Niches answer at once, so the order of calls is free; which they are is not.
    asked = [
        sorted(
            (event.data["request"], event.data["outcome"])
            for event in read_trace(tmp_path / name / "run")
            if event.event == "call"
        )
        for name in ("first", "second")
    ]
    assert asked[0] == asked[1]
    assert {outcome for _, outcome in asked[0]} == {"answer"}


def test_a_prompt_that_was_not_recorded_is_a_loud_miss(tmp_path: Path) -> None:
    cassette = tmp_path / "changed.jsonl"
    tracks = [json.loads(line) for line in CASSETTE.read_text().splitlines()]
    kept = [track for track in tracks if track["role"] != "designer"]
    cassette.write_text("".join(json.dumps(track) + "\n" for track in kept))
    with pytest.raises(CassetteMiss, match="no answer recorded for designer"):
        replay(tmp_path, cassette)
