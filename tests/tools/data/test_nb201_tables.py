"""Tables: published values come back, damaged files are refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data import nb201_tables
from llm_nas.tools.data.locate import ENVIRONMENT_VARIABLE, user_cache
from llm_nas.tools.data.nb201 import cells, cost
from llm_nas.tools.data.nb201.cells import DATASETS, DEVICES, SIZE
from llm_nas.tools.data.nb201.pack import PackTables
from llm_nas.tools.data.nb201.tables import METRICS, REQUIRED, PublishedTables
from llm_nas.tools.data.npz import write_atomically
from llm_nas.tools.data.truth.nb201 import published_test_pct
from llm_nas.tools.proxies.names import PROXIES

Arrays = dict[str, dict[str, np.ndarray[Any, np.dtype[Any]]]]


def _arrays() -> Arrays:
    """Small numbers everywhere, in the right shapes; cell 7 is what the tests look at."""
    hardware = np.ones((3, SIZE, len(METRICS)))
    hardware[:, 7, METRICS.index("edgetpu_latency")] = -1.0
    zerocost = np.zeros((3, SIZE, len(PROXIES)))
    zerocost[0, 7] = -1e8
    zerocost[0, 8] = np.inf
    codes = cells.codes().astype(np.int8)
    labels = np.full((SIZE, 3), 50.0)
    return {
        "nb201_accuracy.npz": {"ops": codes, "test_acc": labels + 1, "valid_acc_naslib": labels},
        "nb201_hwnasbench.npz": {"values": hardware, "metrics": np.array(METRICS)},
        "nb201_zerocost.npz": {"values": zerocost, "proxies": np.array(PROXIES)},
    }


def _write(folder: Path, arrays: Arrays) -> Path:
    for name, content in arrays.items():
        write_atomically(folder / name, content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return _write(tmp_path / "made", _arrays())


def test_marks_of_the_publishers_become_nan(folder: Path) -> None:
    benchmark = PublishedTables(folder)
    assert np.flatnonzero(np.isnan(benchmark.latency_ms("cifar10", "edgetpu"))).tolist() == [7]
    proxies = benchmark.proxies("cifar10")
    assert np.isnan(proxies[[7, 8]]).all()
    assert np.isfinite(np.delete(proxies, [7, 8], axis=0)).all()


def test_source_and_digest_say_which_tables(folder: Path, tmp_path: Path) -> None:
    first = PublishedTables(folder)
    assert first.source == "tables (made)"
    other = _arrays()
    other["nb201_accuracy.npz"]["test_acc"] = np.full((SIZE, 3), 60.0)
    assert PublishedTables(_write(tmp_path / "other", other)).digest != first.digest
    assert len(first.digest) == 64


def test_unknown_names_list_what_is_allowed(folder: Path) -> None:
    benchmark = PublishedTables(folder)
    with pytest.raises(RequestError, match=r"task: unknown 'mnist'; use one of cifar10, .*"):
        benchmark.proxies("mnist")
    with pytest.raises(RequestError, match=r"device: unknown 'tpu'; use one of edgegpu, .*"):
        benchmark.latency_ms("cifar10", "tpu")


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_half_a_file_is_refused_when_opened(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=f"{name}: not a readable .npz table") as caught:
        PublishedTables(folder)
    assert "\n" not in str(caught.value)


def test_a_flipped_byte_is_found_when_the_array_is_read(folder: Path) -> None:
    path = folder / "nb201_hwnasbench.npz"
    content = bytearray(path.read_bytes())
    content[400] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged|not a readable"):
        PublishedTables(folder).latency_ms("cifar10", "fpga")


def test_wrong_shape_missing_array_and_wrong_order(folder: Path) -> None:
    arrays = _arrays()
    arrays["nb201_accuracy.npz"]["test_acc"] = np.zeros((SIZE - 1, 3))
    with pytest.raises(DataError, match=r"'test_acc' has shape \(15624, 3\), expected"):
        PublishedTables(_write(folder, arrays))
    del arrays["nb201_accuracy.npz"]["test_acc"]
    with pytest.raises(DataError, match="no array 'test_acc'"):
        PublishedTables(_write(folder, arrays))
    arrays = _arrays()
    arrays["nb201_accuracy.npz"]["ops"] = arrays["nb201_accuracy.npz"]["ops"][::-1]
    with pytest.raises(DataError, match="not in benchmark order"):
        PublishedTables(_write(folder, arrays))


def test_pickled_objects_are_never_loaded(folder: Path) -> None:
    objects = np.empty((SIZE, 3), dtype=object)
    np.savez(folder / "nb201_accuracy.npz", ops=np.zeros((SIZE, 6)), test_acc=objects)
    with pytest.raises(DataError, match="pickled objects, which are refused"):
        PublishedTables(folder)


def test_impossible_values_are_refused(folder: Path) -> None:
    arrays = _arrays()
    arrays["nb201_accuracy.npz"]["valid_acc_naslib"][3, 0] = 101.0
    arrays["nb201_hwnasbench.npz"]["values"][0, 0, 0] = -2.0
    benchmark = PublishedTables(_write(folder, arrays))
    with pytest.raises(DataError, match=r"outside 0..100 %"):
        benchmark.validation_pct("cifar10")
    with pytest.raises(DataError, match="negative or infinite"):
        benchmark.latency_ms("cifar10", "fpga")


class TestOrderOfSources:
    """Argument, environment, user cache, pack; a named directory is never passed over."""

    @pytest.fixture(autouse=True)
    def _no_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")

    def test_pack_when_there_is_nothing_else(self) -> None:
        assert "surrogate tables (embedded pack" in nb201_tables().source

    def test_cache_before_pack(self) -> None:
        _write(user_cache(), _arrays())
        assert nb201_tables().source == "tables (tables)"

    def test_tables_without_labels_take_and_name_the_packs(self) -> None:
        """What `data fetch` brings has no validation accuracies; one data set may have some."""
        arrays = _arrays()
        arrays["nb201_accuracy.npz"]["valid_acc_naslib"][:, 1:] = np.nan
        _write(user_cache(), arrays)
        tables, pack = nb201_tables(), PackTables(own=None)
        assert (
            tables.label_source("cifar10")
            == "tables (tables), validation accuracy of one training"
        )
        assert set(tables.validation_pct("cifar10", tables.archs).tolist()) == {50.0}
        assert "fitted on validation accuracies alone" in tables.label_source("cifar100")
        labels = pack.validation_pct("cifar100")
        one = tables.validation_pct("cifar100", tables.archs)
        assert (one - labels)[labels > 1].std() == pytest.approx(0.43, rel=0.05)

    def test_environment_before_cache_and_argument_before_environment(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _write(user_cache(), _arrays())
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
        assert nb201_tables().source == "tables (made)"
        other = _write(tmp_path / "argument", _arrays())
        assert nb201_tables(other).source == "tables (argument)"

    def test_a_named_directory_that_lacks_files_is_an_error(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "nb201_zerocost.npz").unlink()
        with pytest.raises(DataError, match=r"--data-dir: '.*' lacks nb201_zerocost.npz"):
            nb201_tables(folder)
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder / "absent"))
        with pytest.raises(DataError, match=r"LLM_NAS_DATA: '.*' is not a directory"):
            nb201_tables()


class TestPublishedTables:
    """Facts of the real tables."""

    def test_optima(self, tables: Path) -> None:
        best = {"cifar10": 94.373, "cifar100": 73.513, "ImageNet16-120": 47.311}
        where = {"cifar10": 6111, "cifar100": 9930, "ImageNet16-120": 857}
        for task in DATASETS:
            test = published_test_pct(tables, task)
            assert int(test.argmax()) == where[task]
            assert test.max() == pytest.approx(best[task], abs=5e-4)

    def test_edgetpu_lacks_the_same_cells_everywhere(self, tables: Path) -> None:
        published = PublishedTables(tables)
        for device in DEVICES:
            missing = [np.isnan(published.latency_ms(task, device)) for task in DATASETS]
            assert [int(m.sum()) for m in missing] == [4699 if device == "edgetpu" else 0] * 3
            assert (missing[0] == missing[1]).all()
            assert (missing[0] == missing[2]).all()

    def test_texts_and_closed_forms_are_the_published_ones(self, tables: Path) -> None:
        asked = nb201_tables(tables)
        with np.load(tables / "nb201_accuracy.npz") as published:
            params = published["params_M"]
            assert tuple(published["arch_str"].tolist()) == asked.archs
            np.testing.assert_array_equal(published["canonical_index"], cells.canonical_rows())
        for position, task in enumerate(DATASETS):
            np.testing.assert_allclose(cost.params_m(task), params[:, position])
            naslib = asked.proxies(task, asked.archs)[:, PROXIES.index("flops")]
            np.testing.assert_allclose(cost.flops_m(task), naslib)

    def test_labels_are_of_one_training(self, tables: Path) -> None:
        asked = nb201_tables(tables)
        with np.load(tables / "nb201_accuracy.npz") as published:
            one = published["valid_acc_naslib"]
        some = asked.archs[100:200]
        np.testing.assert_array_equal(asked.validation_pct("cifar100", some), one[100:200, 1])
