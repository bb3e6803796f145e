"""Transfer: what a search may know of its target, and the figures of a small matrix."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_nas.cli import run
from llm_nas.domain import FloatArray, SearchRequest
from llm_nas.errors import RequestError, StoreError
from llm_nas.experiments import setting
from llm_nas.experiments import transfer as transfer_module
from llm_nas.experiments.rows import LOG_FILE
from llm_nas.experiments.setting import ContextName
from llm_nas.experiments.system import drive
from llm_nas.experiments.transfer import (
    COLD,
    SOURCE_SEED,
    TransferPlan,
    TransferRow,
    Trip,
    dataset_matrix,
    device_matrix,
    forbid_target_cells,
    learn,
    store_of,
    transfer,
    travel,
)
from llm_nas.experiments.transfer_report import heat_map, report_on
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.ports import Benchmark, Truth
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
    assert (tmp_path / "one" / "sources.npz").exists()


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


def test_a_trip_with_a_store_of_its_target_ends_before_it_begins(tmp_path: Path) -> None:
    here = ContextName(dataset="cifar10", device="fpga")
    there = ContextName(dataset="cifar10", device="raspi4")
    plan = _plan("fpga,raspi4")
    learn(Trip(plan, tmp_path, None, here, SOURCE_SEED))
    store_of(tmp_path, here).rename(store_of(tmp_path, there))
    with pytest.raises(StoreError, match="cells of the target cifar10/fpga"):
        travel(Trip(plan, tmp_path, there, here, 0))


class Spy:
    """A benchmark that notes whose accuracies were read."""

    def __init__(self, inner: Benchmark) -> None:
        self._inner = inner
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def validation_accuracy_pct(self, dataset: str) -> FloatArray:
        self.read.add(dataset)
        return self._inner.validation_accuracy_pct(dataset)

    def truth(self, dataset: str) -> Truth:
        self.read.add(dataset)
        return self._inner.truth(dataset)


def test_learning_reads_accuracies_of_the_source_alone(
    tmp_path: Path, pack: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(pack)

    def opened(data_dir: Path | None) -> Spy:
        del data_dir
        return spy

    for module in (setting, transfer_module):
        monkeypatch.setattr(module, "benchmark_in", opened)
    setting.trained.cache_clear()
    source = ContextName(dataset="cifar100", device="fpga")
    learn(Trip(_plan("fpga,raspi4"), tmp_path, None, source, SOURCE_SEED))
    setting.trained.cache_clear()
    assert spy.read == {"cifar100"}


def test_places_are_read_from_lists(tmp_path: Path) -> None:
    assert len(device_matrix("cifar10", "all", None).pairs) == 30
    assert [c.label for c in dataset_matrix("fpga", "cifar10, cifar100", None).places] == [
        "cifar10:fpga",
        "cifar100:fpga",
    ]
    with pytest.raises(RequestError, match="two different places"):
        transfer(_plan("fpga"), tmp_path)


def _plan(devices: str, seeds: int = 1) -> TransferPlan:
    return TransferPlan(
        matrices=(device_matrix("cifar10", devices, None),),
        seeds=tuple(range(seeds)),
        budget=12,
        source_budget=18,
        labels=60,
    )


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Searches that end at once; what was made, in order."""
    made: list[str] = []

    def fill(trip: Trip) -> str:
        store_of(trip.out, trip.target).mkdir(parents=True)
        made.append(f"learn {trip.target.label}")
        return trip.target.label

    def go(trip: Trip) -> TransferRow:
        assert trip.source is None or store_of(trip.out, trip.source).is_dir()
        made.append(" -> ".join(trip.key[:2]))
        hv = 0.5 + 0.1 * trip.seed
        source, target, seed = trip.key
        return TransferRow(source=source, target=target, seed=seed, hv=hv, dropped=False)

    monkeypatch.setattr(transfer_module, "learn", fill)
    monkeypatch.setattr(transfer_module, "travel", go)
    return made


@pytest.mark.usefixtures("pack")
def test_stores_and_cold_searches_are_shared_and_a_cut_experiment_goes_on(
    tmp_path: Path, scripted: list[str]
) -> None:
    matrices = (
        device_matrix("cifar10", "fpga,raspi4", None),
        dataset_matrix("fpga", "cifar10,cifar100", None),
    )
    plan = _plan("fpga,raspi4", seeds=2).model_copy(update={"matrices": matrices})
    steps: list[tuple[int, int]] = []
    rows = transfer(plan, tmp_path, progress=lambda what, done, total: steps.append((done, total)))
    assert len({row.key for row in rows}) == len(rows) == 2 * (3 + 2 + 2)
    assert sorted(scripted[:3]) == [
        "learn cifar100:fpga",
        "learn cifar10:fpga",
        "learn cifar10:raspi4",
    ]
    assert scripted.count("cold -> cifar10:fpga") == 2
    assert steps[-1] == (14, 14)
    log = tmp_path / LOG_FILE
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:13]) + '{"source": "ci')
    scripted.clear()
    assert sorted(transfer(plan, tmp_path), key=_key) == sorted(rows, key=_key)
    assert len(scripted) == 1
    other = plan.model_copy(update={"budget": 13})
    with pytest.raises(RequestError, match="budget 12 there, 13 now"):
        transfer(other, tmp_path)


def _key(row: TransferRow) -> tuple[str, str, int]:
    return row.key


def _row(source: str, target: str, seed: int, hv: float) -> TransferRow:
    return TransferRow(source=source, target=target, seed=seed, hv=hv, dropped=hv < 0.5)


def test_gains_are_paired_by_seed(tmp_path: Path) -> None:
    matrix = device_matrix("cifar10", "fpga,raspi4", None)
    a, b = (place.label for place in matrix.places)
    rows = [_row(COLD, p, s, 0.5 + 0.1 * s) for p in (a, b) for s in (0, 1)]
    rows += [_row(a, b, s, 0.6 + 0.1 * s) for s in (0, 1)]
    rows += [_row(b, a, s, 0.4 + 0.3 * s) for s in (0, 1)]
    report = report_on(matrix, rows, (0, 1))
    steady, unsteady = report.gains
    assert (steady.source, steady.target, steady.dropped) == (a, b, 0)
    assert (steady.gain.low, steady.gain.mean, steady.gain.high) == pytest.approx((0.1,) * 3)
    assert unsteady.gain.mean == pytest.approx(0.0)
    assert unsteady.gain.low < 0.0 < unsteady.gain.high
    assert unsteady.dropped == 1
    assert report.mean.mean == pytest.approx(0.05)
    assert report.worst == pytest.approx(0.0)
    heat_map([report, report], tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("pack", "scripted")
def test_the_shell_prints_both_matrices_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--devices", "fpga,raspi4", "--device", "fpga", "--datasets", "cifar10,cifar100"]
    command = ["transfer", "--seeds", "1", *places, "--out", str(tmp_path)]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [m["name"] for m in document["matrices"]] == ["devices", "datasets"]
    assert len(document["rows"]) == 3 + 2 + 2
    assert {p.name for p in tmp_path.iterdir()} >= {"transfer.png", "summary.json", "rows.jsonl"}
    assert run(command) == 0
    assert "worst pair +0.0000, 2 pairs, 1 seeds" in capsys.readouterr().out


def test_an_unknown_matrix_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["transfer", "--over", "moons"]) == 2
    assert capsys.readouterr().err.startswith("llm-nas: --over 'moons': expected one of")
