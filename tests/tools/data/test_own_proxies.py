"""Own measurements are kept whole and rounded, with their recipe, and fill what is unpublished."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from llm_nas.cli.data import app
from llm_nas.domain import FloatArray
from llm_nas.errors import DataError
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.data.nb201.cells import SIZE
from llm_nas.tools.data.nb201.own import embed, own_proxies, rounded
from llm_nas.tools.data.status import data_status
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.proxies.settings import FAST
from llm_nas.tools.proxies.tabulate import Recipe

CANONICAL = np.unique(cells.canonical_rows())


def _table(path: Path, count: int, dataset: str = "cifar10", space: str = "") -> FloatArray:
    """A table as `proxies table` writes it, of made-up values."""
    recipe = Recipe(
        space=space or "nb201", dataset=dataset, settings=FAST, seed=7, batch="x", torch="1"
    )
    values = np.full((SIZE, len(PROXIES)), np.nan)
    rng = np.random.default_rng(0)
    rows = CANONICAL[:count]
    values[rows] = np.exp(rng.normal(0.0, 15.0, (count, len(PROXIES))))
    places: list[int] = rows.tolist()
    archs = np.array([cells.texts()[row] for row in places])
    text = np.array(recipe.model_dump_json())
    np.savez(path, archs=archs, values=values[rows], recipe=text)
    return values


def test_a_kept_table_comes_back_rounded_with_its_recipe(tmp_path: Path) -> None:
    values, out = _table(tmp_path / "t.npz", len(CANONICAL)), tmp_path / "own.npz"
    embed(tmp_path / "t.npz", out)
    found = own_proxies("cifar10", out)
    assert found is not None
    np.testing.assert_allclose(found.values, values, rtol=2.0**-11)
    assert (found.recipe["seed"], found.recipe["settings"]) == (7, FAST.model_dump())
    assert own_proxies("cifar100", out) is None
    assert own_proxies("cifar10", tmp_path / "none.npz") is None


def test_data_sets_stand_side_by_side_and_new_tables_replace_old_ones(tmp_path: Path) -> None:
    out = tmp_path / "own.npz"
    for number, dataset in enumerate(("cifar10", "cifar100", "cifar10")):
        _table(tmp_path / f"{number}.npz", len(CANONICAL), dataset)
        embed(tmp_path / f"{number}.npz", out)
    assert own_proxies("cifar10", out) is not None
    assert own_proxies("cifar100", out) is not None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.npz", "1.npz", "2.npz", "own.npz"]


@pytest.mark.parametrize(("count", "space"), [(100, ""), (len(CANONICAL), "elsewhere")])
def test_an_unfinished_or_foreign_table_is_refused(tmp_path: Path, count: int, space: str) -> None:
    _table(tmp_path / "t.npz", count, space=space)
    result = CliRunner().invoke(
        app, ["embed-proxies", str(tmp_path / "t.npz"), "--out", str(tmp_path / "own.npz")]
    )
    assert isinstance(result.exception, DataError)
    assert not (tmp_path / "own.npz").exists()


def test_rounding_keeps_four_digits_and_missing_values() -> None:
    values = np.array([1.0, -123456.0, 3.14159e-30, np.nan])
    kept = rounded(values)
    np.testing.assert_allclose(kept, values, rtol=2.0**-11)
    assert np.isnan(kept[3])


def test_status_tells_how_they_were_made() -> None:
    lines = data_status()["own"]
    assert any("cifar100: setting fast, 16 images" in line and "seed 0" in line for line in lines)
