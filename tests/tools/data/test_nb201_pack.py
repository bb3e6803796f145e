"""The embedded pack: what it holds, how faithful it is, and how it is built."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data import Nb201Tables
from llm_nas.tools.data.nb201 import build_pack as builder
from llm_nas.tools.data.nb201 import cells, surrogate
from llm_nas.tools.data.nb201.build_pack import (
    MAX_BYTES,
    Recipe,
    build_pack,
    curves,
    kendall,
    normal_scores,
    train,
)
from llm_nas.tools.data.nb201.build_pack import Group as Quantities
from llm_nas.tools.data.nb201.cells import DATASETS, DEVICES, SIZE
from llm_nas.tools.data.nb201.own import own_proxies
from llm_nas.tools.data.nb201.pack import PACK_PATH, PackTables
from llm_nas.tools.data.nb201.tables import PublishedTables
from llm_nas.tools.data.networks import silu
from llm_nas.tools.data.npz import write_atomically
from llm_nas.tools.data.truth.nb201 import published_test_pct
from llm_nas.tools.proxies.names import PROXIES


class TestContent:
    """Every quantity, missing where the published tables lack it."""

    def test_every_quantity_has_its_shape_and_range(self) -> None:
        pack = PackTables()
        for dataset in DATASETS:
            accuracies = (
                pack.validation_pct(dataset),
                pack.test_pct(dataset),
            )
            for accuracy in accuracies:
                assert accuracy.shape == (SIZE,)
                assert accuracy.min() >= 0
                assert accuracy.max() <= 100
            for device in DEVICES:
                latency = pack.latency_ms(dataset, device)
                assert int(np.isnan(latency).sum()) == (4699 if device == "edgetpu" else 0)
                assert np.nanmin(latency) > 0
            assert pack.proxies(dataset).shape == (SIZE, len(PROXIES))

    def test_proxies_are_missing_as_published(self) -> None:
        models = PackTables(own=None)
        missing = np.isnan(models.proxies("cifar10")).sum(axis=0)
        by_name = dict(zip(PROXIES, missing.tolist(), strict=True))
        assert (by_name["flops"], by_name["params"], by_name["zen"]) == (0, 0, 341)
        assert {by_name[p] for p in PROXIES if p not in ("flops", "params", "zen")} == {6180}
        assert np.isnan(models.proxies("cifar100")).all(axis=0).sum() == 10

    @pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
    def test_measured_proxies_stand_in_place_of_modelled_ones(self, dataset: str) -> None:
        own, pack, models = own_proxies(dataset), PackTables(), PackTables(own=None)
        assert own is not None
        by_name = dict(zip(PROXIES, pack.proxies(dataset).T, strict=True))
        np.testing.assert_array_equal(by_name["zen"], own.values[:, PROXIES.index("zen")])
        exact = models.proxies(dataset)[:, PROXIES.index("flops")]
        np.testing.assert_array_equal(by_name["flops"], exact)
        kept = pack.proxies("ImageNet16-120")
        np.testing.assert_array_equal(kept, models.proxies("ImageNet16-120"))
        assert str(own) in pack.source
        assert f"setting fast, 16 images of {dataset}_subset5k.npz, seed 0" in str(own)
        assert "own" not in models.source
        assert pack.digest != models.digest

    def test_disconnected_cells_are_at_chance(self) -> None:
        dead = ~surrogate.connected(cells.codes())
        assert int(dead.sum()) == 341
        assert set(PackTables().validation_pct("cifar100")[dead].tolist()) == {1.0}

    def test_it_says_that_it_is_a_model(self) -> None:
        assert PackTables().source.startswith("surrogate tables (embedded pack v")

    def test_it_is_small_and_loads_quickly(self) -> None:
        assert PACK_PATH.stat().st_size <= MAX_BYTES
        start = time.perf_counter()
        PackTables().latency_ms("cifar10", "edgegpu")
        assert time.perf_counter() - start < 2.0  # 0.1 s on an idle core

    def test_unknown_names(self) -> None:
        with pytest.raises(RequestError, match="task: unknown"):
            PackTables().validation_pct("svhn")
        with pytest.raises(RequestError, match="device: unknown"):
            PackTables().latency_ms("cifar10", "abacus")

    def test_a_damaged_or_foreign_pack(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such file"):
            PackTables(tmp_path / "absent.npz")
        other = write_atomically(tmp_path / "v0.npz", {"version": np.array(0)})
        with pytest.raises(DataError, match="pack version 0"):
            PackTables(other)


class TestParts:
    """The models themselves, on answers known beforehand."""

    def test_roofline_recovers_two_lines(self) -> None:
        design = surrogate.counts(cells.codes())
        lines = np.array([[1.0, 2.0, 0.5, 0.1], [0.2, 4.0, 0.1, 0.0]])
        cost = surrogate.roofline(design, lines)
        found = surrogate.fit_roofline(design, cost)
        np.testing.assert_allclose(surrogate.roofline(design, found), cost)

    def test_a_single_line_is_fitted_twice(self) -> None:
        design = surrogate.counts(cells.codes())
        found = surrogate.fit_roofline(design, design @ np.array([1.0, 2.0, 3.0, 4.0]))
        np.testing.assert_allclose(found, [[1, 2, 3, 4]] * 2)

    def test_silu(self) -> None:
        x = np.array([-200.0, 0.0, 200.0], dtype=np.float32)
        np.testing.assert_allclose(silu(x), [0, 0, 200], atol=1e-6)

    def test_curves_are_quantiles(self) -> None:
        values = np.arange(101.0)[:, None]
        np.testing.assert_allclose(
            curves(values, np.array([-9.0, 0.0, 9.0])), [[0, 50, 100]], atol=1e-9
        )

    def test_kendall_ignores_noise_in_the_last_digits(self) -> None:
        exact = np.array([1.0, 1.0, 2.0, np.nan])
        assert kendall(exact, exact + np.array([0, 1e-12, 0, 0])) == pytest.approx(1.0)

    def test_normal_scores_share_ties_and_keep_nan(self) -> None:
        scores = normal_scores(np.array([[3.0], [1.0], [np.nan], [1.0]]))[:, 0]
        assert scores[1] == scores[3] < scores[0]
        assert np.isnan(scores[2])

    def test_training_learns_and_repeats_itself(self) -> None:
        threes = (cells.codes() == 2).sum(axis=1).astype(np.float64)
        group = Quantities("made", ("threes",), threes[:, None])
        rows = np.zeros(SIZE, dtype=np.bool_)
        rows[:2048] = True
        recipe = Recipe(width=16, epochs=15)
        (first,), (second,) = (train(group, [rows], recipe) for _ in range(2))
        predicted = first.predict(surrogate.inputs())["threes"]
        assert kendall(predicted, threes) > 0.8
        np.testing.assert_array_equal(predicted, second.predict(surrogate.inputs())["threes"])
        restored = surrogate.network_from(first.arrays("made"), "made")
        np.testing.assert_allclose(
            restored.predict(surrogate.inputs())["threes"], predicted, rtol=1e-5
        )


class TestAgainstPublishedTables:
    """Fidelity, and the command that builds the pack."""

    def test_the_fidelity_beside_the_pack_is_true(self, tables: Path) -> None:
        pack, published = PackTables(), PublishedTables(tables)
        stated = json.loads(PACK_PATH.with_suffix(".json").read_text())["kendall_tau"]
        for dataset in ("cifar10", "ImageNet16-120"):
            measured = {
                f"test {dataset}": kendall(
                    pack.test_pct(dataset), published_test_pct(tables, dataset)
                ),
                f"fpga_latency {dataset}": kendall(
                    pack.latency_ms(dataset, "fpga"), published.latency_ms(dataset, "fpga")
                ),
            }
            for name, tau in measured.items():
                assert stated[name]["fitted"] == pytest.approx(tau, abs=2e-4)
            assert measured[f"test {dataset}"] > 0.93
            assert measured[f"fpga_latency {dataset}"] > 0.9999

    def test_building_writes_pack_and_fidelity(self, tables: Path, tmp_path: Path) -> None:
        path = tmp_path / "small.npz"
        fidelity = build_pack(PublishedTables(tables), path, Recipe(width=16, epochs=1))
        assert sorted(p.name for p in tmp_path.glob("small*")) == ["small.json", "small.npz"]
        assert json.loads(path.with_suffix(".json").read_text()) == fidelity
        taus = fidelity["kendall_tau"]
        assert taus["eyeriss_latency cifar10"] == {"fitted": 1.0, "held_out": None}
        assert taus["test cifar10"]["fitted"] > 0.5

    def test_labels_are_fitted_on_validation_accuracies_alone(
        self, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Other test accuracies, the same labels: none of them reaches the labels' network."""
        recipe = Recipe(width=8, epochs=1)
        labels: list[FloatArray] = []
        for name in ("published", "made up"):
            build_pack(PublishedTables(tables), tmp_path / f"{name}.npz", recipe)
            pack = PackTables(tmp_path / f"{name}.npz", own=None)
            labels.append(pack.validation_pct("cifar100"))
            monkeypatch.setattr(builder, "published_test_pct", _made_up)
        np.testing.assert_array_equal(labels[0], labels[1])

    def test_labels_know_no_more_of_the_best_cells_than_published_ones(self, tables: Path) -> None:
        """Labels that had seen test accuracies would rank the 1,000 best cells better."""
        pack, published = Nb201Tables(None), PublishedTables(tables)
        for dataset in DATASETS:
            test = published_test_pct(tables, dataset)
            best = np.argsort(-test)[:1000]
            averaged = published.validation_pct(dataset, "valid_acc_avg")
            assert averaged is not None
            rows: list[int] = best.tolist()
            labels = pack.validation_pct(dataset, [pack.archs[row] for row in rows])
            own = spearman(labels, test[best])
            assert own < spearman(averaged[best], test[best]) + 0.02


def _made_up(folder: Path, task: str) -> FloatArray:
    return np.random.default_rng(0).uniform(0, 100, SIZE)


def spearman(first: FloatArray, second: FloatArray) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
