"""A search by compiled claims: no model of any kind, and one line where it cannot work."""

from pathlib import Path

import numpy as np
import pytest

from llm_nas.claims import Claim, Effect, OpCount, Origin, Scope
from llm_nas.domain import FloatArray, Measurement
from llm_nas.errors import RequestError
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.graph.trace import read_trace
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import nas_bench_201
from tests.graph.requests import RequestMaker

SPACE = nas_bench_201()


def _learn(store: HeuristicStore, device: str, accuracy_pct: FloatArray, seed: int) -> None:
    """Teach what 150 cells of a device say of 3x3 convolutions."""
    claim = Claim(
        condition=OpCount(op="nor_conv_3x3", relation="ge", count=1),
        effect=Effect(objective="accuracy", direction="raises"),
        scope=Scope(space=SPACE.name, datasets=("cifar10",)),
        origin=Origin(source="test"),
    )
    cells = np.random.default_rng(seed).choice(SPACE.size, 150, replace=False).tolist()
    measured = tuple(
        Measurement(
            arch=SPACE.format(SPACE.cell(i)),
            niche="S0",
            generation=0,
            predicted_accuracy_pct=float(accuracy_pct[i]),
            latency_ms=1.0,
        )
        for i in cells
    )
    store.learn(Lesson(device, 0, "cifar10", device, SPACE.name, (claim,), measured))


@pytest.fixture
def trusted(tmp_path: Path, predicted_pct: FloatArray) -> Path:
    folder = tmp_path / "store"
    with HeuristicStore.open(folder) as store:
        _learn(store, "raspi4", predicted_pct, 0)
        assert not store.list(status="trusted")
        _learn(store, "pixel3", predicted_pct, 1)
        assert store.list(status="trusted")
    return folder


def test_trusted_claims_drive_a_search_without_any_model(
    request_of: RequestMaker, inputs: Inputs, trusted: Path
) -> None:
    report = search(request_of(model="graduated", store=trusted), inputs)
    assert report.model == "graduated"
    assert report.cost.calls == 0
    assert report.sources == ()
    events = read_trace(report.out)
    assert not any(e.data["suggestions"] for e in events if e.event == "heuristics")
    reasons = [e.data["rationale"] for e in events if e.event == "proposal"]
    assert reasons
    assert all("graduated claims" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("store", "message"),
    [(None, "needs --store DIR with trusted claims"), ("empty", "holds no trusted claim")],
)
def test_without_trusted_claims_it_is_refused_in_one_line(
    request_of: RequestMaker, inputs: Inputs, store: str | None, message: str
) -> None:
    place = request_of.folder / store if store else None
    request = request_of(model="graduated", store=place)
    with pytest.raises(RequestError, match=f"--model graduated: .*{message}") as error:
        search(request, inputs)
    assert "\n" not in str(error.value)
    assert not (request_of.folder / "run").exists()
