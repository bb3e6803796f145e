"""A run that is given a store checks its sources, says so, and drops the ones that mislead."""

from collections.abc import Callable

import numpy as np
import pytest

from llm_nas.domain import FloatArray, Measurement, SearchReport
from llm_nas.graph.context import Inputs
from llm_nas.graph.inheritance import inherit
from llm_nas.graph.search import search
from llm_nas.graph.story import tell
from llm_nas.graph.trace import read_trace
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import nas_bench_201
from tests.graph.requests import RequestMaker

SPACE = nas_bench_201()
Warm = Callable[..., SearchReport]


def _plant(request_of: RequestMaker, device: str, accuracy_pct: FloatArray) -> None:
    """Teach the store 80 cells of a device, whatever accuracies they are said to have."""
    cells = np.random.default_rng(0).choice(SPACE.size, 80, replace=False).tolist()
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
    with HeuristicStore.open(request_of.folder / "store") as store:
        store.learn(Lesson(device, 0, "cifar10", device, SPACE.name, (), measured))


@pytest.fixture
def warm(request_of: RequestMaker, inputs: Inputs) -> Warm:
    def run(**sources: FloatArray) -> SearchReport:
        for device, accuracy_pct in sources.items():
            _plant(request_of, device, accuracy_pct)
        return search(request_of("warm", store=request_of.folder / "store"), inputs)

    return run


def test_a_poisoned_source_is_dropped_and_an_honest_one_kept(
    warm: Warm, predicted_pct: FloatArray
) -> None:
    """Accuracies turned upside down: noticed on the first cells, told in trace and result."""
    reversed_pct: FloatArray = 100.0 - predicted_pct
    report = warm(raspi4=predicted_pct, pixel3=reversed_pct)
    bad, good = report.sources
    assert (bad.source, bad.kept) == ("cifar10/pixel3", False)
    assert (good.source, good.kept) == ("cifar10/raspi4", True)
    assert "rank correlation -" in bad.reason
    events = [e for e in read_trace(report.out) if e.event == "source"]
    dropped = next(e for e in events if e.data["source"] == "cifar10/pixel3")
    assert dropped.generation == 0
    assert not dropped.data["kept"]
    assert any("store of cifar10/pixel3 dropped" in line for line in tell(events))


def test_a_poisoned_store_costs_no_more_than_its_share_of_the_first_cells(
    warm: Warm, request_of: RequestMaker, inputs: Inputs, predicted_pct: FloatArray
) -> None:
    poisoned = warm(raspi4=np.random.default_rng(1).permutation(predicted_pct))
    cold = search(request_of("cold", store=request_of.folder / "empty"), inputs)
    assert not poisoned.sources[0].kept
    assert poisoned.hv > cold.hv - 0.05


def test_what_was_inherited_is_kept_for_a_resumed_run(
    warm: Warm, request_of: RequestMaker, predicted_pct: FloatArray
) -> None:
    report = warm(raspi4=predicted_pct)
    request = report.request
    _plant(request_of, "fpga", 100.0 - predicted_pct)
    again = inherit(report.out, request)
    assert list(again.sources) == ["cifar10/raspi4"]
    source = again.sources["cifar10/raspi4"]
    assert source.score.shape == (SPACE.size,)
    assert len(source.cells) == 80
    np.testing.assert_array_equal(source.accuracy_pct, predicted_pct[source.cells])


def test_an_empty_store_leaves_no_sources(request_of: RequestMaker) -> None:
    store = request_of.folder / "store"
    HeuristicStore.open(store).close()
    folder = request_of.folder / "run"
    folder.mkdir()
    request = request_of("run", store=store)
    assert inherit(folder, request).sources == {}
    assert inherit(folder, request).sources == {}


def test_a_cold_run_has_no_sources(request_of: RequestMaker, inputs: Inputs) -> None:
    report = search(request_of("cold", store=request_of.folder / "empty"), inputs)
    assert report.sources == ()
