"""Truth models: what is shipped agrees with its card, and fitting finds what is there to find."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data.public.anb import measured_rows
from llm_nas.tools.data.rows import Rows
from llm_nas.tools.data.truth import build
from llm_nas.tools.data.truth.fit import Recipe, fit, folds_of
from llm_nas.tools.data.truth.inputs import fitted_inputs
from llm_nas.tools.data.truth.model import TASK_OF, TruthModel, truth_model, truth_path
from llm_nas.tools.spaces import open_space

ALL_PACKS = 12_000_000
SMALL = Recipe(members=2, width=16, epochs=6, rate=1e-2, decay=0.01)


@pytest.mark.parametrize("space", TASK_OF)
def test_the_card_is_of_the_model_beside_it(space: str) -> None:
    card = json.loads(truth_path(space).with_suffix(".json").read_text())
    assert card["sha256"] == truth_model(space).digest
    assert set(card["held_out"]) == set(truth_model(space).quantities)
    assert card["held_out"]["imagenet" if space == "anb" else "openwebtext"]["kendall"] > 0.92


def test_all_packs_together_are_small() -> None:
    packs = truth_path("anb").parent
    assert sum(path.stat().st_size for path in packs.iterdir()) < ALL_PACKS


def test_a_truth_model_agrees_with_the_rows_and_is_quick(tables: Path) -> None:
    model, rows = truth_model("anb"), measured_rows(tables)
    some = rows.archs[:3000]
    model.values("a100", some[:10])
    started = time.process_time()
    found = model.values("a100", some)
    assert time.process_time() - started < 0.15  # .03 s on an idle core
    assert stats.kendalltau(found, rows.quantities["a100"][:3000])[0] > 0.98
    top1 = model.values("imagenet", some)
    assert np.abs(top1 - rows.quantities["imagenet"][:3000]).mean() < 0.3
    one_by_one = [float(model.values("imagenet", [arch])[0]) for arch in some[:5]]
    np.testing.assert_allclose(one_by_one, top1[:5], rtol=1e-5)


def test_what_the_model_cannot_know_is_refused(tmp_path: Path) -> None:
    arch = open_space("anb").sample(np.random.default_rng(0))
    with pytest.raises(RequestError, match="'k1=9' is not in the table of anb"):
        truth_model("anb").values("a100", [arch.replace("k1=3", "k1=9").replace("k1=5", "k1=9")])
    with pytest.raises(RequestError, match="'abacus' is not modelled; known: imagenet, a100"):
        truth_model("anb").values("abacus", [arch])
    with pytest.raises(RequestError, match="no truth model"):
        truth_model("mobile")
    np.savez(tmp_path / "old.npz", format=np.array(0))
    with pytest.raises(DataError, match="truth model of format 0"):
        TruthModel("anb", tmp_path / "old.npz")


def test_stage_costs_follow_the_published_ones(tables: Path) -> None:
    """Derived MACs and parameters rank networks as the published columns do."""
    rows = measured_rows(tables)
    some = rows.archs[:500]
    inputs = fitted_inputs("anb", some)
    matrix = inputs.matrix(some)
    totals = matrix[:, len(inputs.tokens) :] * 3 * inputs.scale + inputs.center
    log_macs, log_params = totals[:, 70], totals[:, 71]
    assert stats.kendalltau(log_macs, rows.quantities["macs_m"][:500])[0] > 0.95
    assert stats.kendalltau(log_params, rows.quantities["params_m"][:500])[0] > 0.99


def test_held_out_rows_are_predicted_by_networks_that_never_saw_them() -> None:
    """Pure noise has no held-out correlation, though the networks memorise what they see."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 8)).astype(np.float32)
    recipe = replace(SMALL, epochs=60, width=64, folds=3, batch=64)
    noise = rng.standard_normal(300)
    found = fit(x, noise, recipe, print)
    assert abs(float(np.corrcoef(found.held_out, noise)[0, 1])) < 0.2
    assert float(np.corrcoef(found.networks.mean(x)[:, 0], noise)[0, 1]) > 0.4
    signal: FloatArray = x[:, 0].astype(np.float64)
    assert float(np.corrcoef(fit(x, signal, recipe, print).held_out, signal)[0, 1]) > 0.95
    assert np.bincount(folds_of(300, recipe)).tolist() == [100, 100, 100]


def test_building_writes_model_and_card_and_repeats_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "RECIPES", {key: SMALL for key in build.RECIPES})
    space, rng = open_space("anb"), np.random.default_rng(0)
    archs = tuple(space.sample(rng) for _ in range(800))
    values = {n: truth_model("anb").values(n, archs) for n in ("imagenet", "tpuv3")}
    few = Rows("anb", archs, {**values, "macs_m": np.ones(len(archs))}, "some rows")
    card = build.build_truth(few, tmp_path / "truth.npz")
    assert json.loads((tmp_path / "truth.json").read_text()) == card
    assert set(card["held_out"]) == {"imagenet", "tpuv3"}
    assert 0.5 < card["held_out"]["imagenet"]["kendall"] < 0.95
    again = build.build_truth(few, tmp_path / "again.npz")
    first, second = (TruthModel("anb", tmp_path / f"{name}.npz") for name in ("truth", "again"))
    assert again["held_out"] == card["held_out"]
    np.testing.assert_array_equal(
        first.values("tpuv3", few.archs), second.values("tpuv3", few.archs)
    )
