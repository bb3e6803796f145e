"""Transfer: what a search may know of its target, and the figures of a small matrix."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from llm_nas.domain import FloatArray, SearchRequest
from llm_nas.errors import RequestError, StoreError
from llm_nas.experiments.setting import ContextName
from llm_nas.experiments.system import drive
from llm_nas.experiments.transfer import (
    dataset_places,
    device_places,
    forbid_target_cells,
    transfer,
)
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.ports import Benchmark
from llm_nas.tools.data import open_benchmark


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    monkeypatch.delenv("LLM_NAS_DATA", raising=False)
    return open_benchmark()


def _request(folder: Path, device: str, store: Path) -> SearchRequest:
    return SearchRequest(
        dataset="cifar10", device=device, budget=24, generations=3, store=store, out=folder
    )


def test_accuracies_of_unevaluated_cells_cannot_change_a_warm_search(
    tmp_path: Path, pack: Benchmark
) -> None:
    """All that was not asked for is replaced by noise: the same cells are measured again."""
    predicted = pack.validation_accuracy_pct("cifar10")
    store, same = tmp_path / "store", tmp_path / "same"
    _learn(tmp_path, store, pack, predicted)
    shutil.copytree(store, same)
    asked = drive(_request(tmp_path / "one", "fpga", store), _inputs(pack, predicted))
    noise: FloatArray = np.random.default_rng(1).uniform(10, 95, predicted.shape)
    noise[asked] = predicted[asked]
    again = drive(_request(tmp_path / "two", "fpga", same), _inputs(pack, noise))
    assert again == asked
    assert (tmp_path / "one" / "priors.npz").exists()


def test_a_store_with_cells_of_the_target_is_refused(tmp_path: Path, pack: Benchmark) -> None:
    store = tmp_path / "store"
    _learn(tmp_path, store, pack, pack.validation_accuracy_pct("cifar10"))
    forbid_target_cells(store, ContextName(dataset="cifar10", device="fpga"))
    with pytest.raises(StoreError, match="cells of the target cifar10/raspi4"):
        forbid_target_cells(store, ContextName(dataset="cifar10", device="raspi4"))


def _inputs(pack: Benchmark, predicted: FloatArray) -> Inputs:
    return Inputs(benchmark=pack, predicted_pct=predicted)


def _learn(folder: Path, store: Path, pack: Benchmark, predicted: FloatArray) -> None:
    search(_request(folder / "source", "raspi4", store), _inputs(pack, predicted))


def test_places_are_read_from_lists() -> None:
    assert device_places("cifar10", "", None) == ()
    assert len(device_places("cifar10", "all", None)) == 6
    assert [c.label for c in dataset_places("fpga", "cifar10, cifar100", None)] == [
        "cifar10:fpga",
        "cifar100:fpga",
    ]
    with pytest.raises(RequestError, match="two different places"):
        transfer(device_places("cifar10", "fpga", None))


def test_a_small_matrix_adds_up() -> None:
    """Every pair is there once, and a warm search differs from the cold one of its seed."""
    places = device_places("cifar10", "fpga,raspi4", None)
    lines: list[str] = []
    report = transfer(places, budget=12, seeds=1, source_budget=18, progress=lines.append)
    assert [(g.source, g.target) for g in report.gains] == [
        ("cifar10:fpga", "cifar10:raspi4"),
        ("cifar10:raspi4", "cifar10:fpga"),
    ]
    for gain in report.gains:
        assert gain.gain == pytest.approx(gain.warm_hv - gain.cold_hv)
        assert gain.low <= gain.gain <= gain.high
    assert report.worst <= report.mean_gain
    assert len(lines) == 2 + 4
