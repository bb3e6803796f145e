"""A small, quick world for graph tests: the embedded pack, predicted accuracies made once."""

from pathlib import Path

import pytest

from llm_nas.domain import FloatArray
from llm_nas.graph.context import Inputs
from llm_nas.ports import Benchmark
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.predictor import train_predictor
from tests.graph.requests import RequestMaker


@pytest.fixture(scope="session")
def pack() -> Benchmark:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LLM_NAS_DATA", raising=False)
        return open_benchmark()


@pytest.fixture(scope="session")
def predicted_pct(pack: Benchmark) -> FloatArray:
    return train_predictor(pack, "cifar10", 200, 0).predict_all()


@pytest.fixture
def inputs(pack: Benchmark, predicted_pct: FloatArray) -> Inputs:
    return Inputs(benchmark=pack, predicted_pct=predicted_pct)


@pytest.fixture
def request_of(tmp_path: Path) -> RequestMaker:
    return RequestMaker(tmp_path)
