"""Tables resume without recomputing, survive torn journals and do not depend on who computes."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from llm_nas.cli.proxies import app
from llm_nas.domain import Arch, TaskShape
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.proxies.batch import ImageBatch, load_batch, synthetic_batch
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.proxies.settings import FAST, ProxySettings, preset
from llm_nas.tools.proxies.tabulate import (
    Recipe,
    Row,
    Work,
    draw_archs,
    fill_table,
    read_table,
)
from llm_nas.tools.spaces import open_space

SHAPE = TaskShape(height=16, width=16, classes=10)
SPACE = open_space("nb201", SHAPE)
SMALL = ProxySettings(batch_size=4, zen_batch_size=2, image_size=8)
WORK = Work("nb201", synthetic_batch(SHAPE, 4, 0), 0, SMALL)
RECIPE = Recipe(space="nb201", dataset="x", settings=SMALL, seed=0, batch="synthetic", torch="x")
ARCHS = draw_archs(SPACE, 0, 3)


def test_a_listed_space_gives_every_distinct_network_once() -> None:
    order = draw_archs(SPACE, 3)
    assert len(set(order)) == len(order) == 9445
    assert order != draw_archs(SPACE, 4)
    assert all(SPACE.twin(arch) == arch for arch in order[:50])
    with pytest.raises(RequestError, match="--limit"):
        draw_archs(open_space("hwgpt-s"), 0)


def test_a_continued_table_computes_only_what_is_missing(tmp_path: Path) -> None:
    out, computed = tmp_path / "t.npz", list[Arch]()

    def rows(archs: Sequence[Arch]) -> Iterator[Row]:
        for row in WORK.rows(archs):
            computed.append(row.arch)
            yield row

    fill_table(out, RECIPE, ARCHS[:2], rows)
    journal = tmp_path / "t.npz.journal"
    journal.write_text(journal.read_text() + '{"arch": "|no', encoding="utf-8")
    summary = fill_table(out, RECIPE, ARCHS, rows)
    assert computed == ARCHS
    assert summary.archs == summary.wanted == 3
    archs, values, recipe = read_table(out)
    assert recipe == RECIPE
    assert list(archs) == ARCHS
    straight = tmp_path / "straight.npz"
    fill_table(straight, RECIPE, ARCHS, WORK.rows)
    assert np.array_equal(read_table(straight)[1], values, equal_nan=True)
    other = RECIPE.model_copy(update={"seed": 1})
    with pytest.raises(RequestError, match="another recipe"):
        fill_table(out, other, [], WORK.rows)


@pytest.mark.slow
def test_processes_give_the_same_rows() -> None:
    serial = {row.arch: row for row in WORK.rows(ARCHS[:2])}
    assert {row.arch: row for row in WORK.rows(ARCHS[:2], processes=2)} == serial


def test_a_damaged_table_is_a_data_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"no")
    with pytest.raises(DataError, match="not a proxy table"):
        read_table(bad)


def _image_file(path: Path, classes: int, each: int = 5) -> Path:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    images = rng.integers(256, size=(len(labels), 32, 32, 3), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=labels)
    return path


def test_a_small_batch_of_many_classes_comes_in_groups(tmp_path: Path) -> None:
    batch = load_batch(_image_file(tmp_path / "i.npz", 100), TaskShape(classes=100), 16, 0)
    assert sorted(np.unique(batch.labels, return_counts=True)[1].tolist()) == [4, 4, 4, 4]
    assert batch.images.shape == (16, 3, 32, 32)
    assert batch.images.mean() == pytest.approx(0.0, abs=0.05)
    assert batch.images.std() == pytest.approx(1.0, abs=0.05)


def test_a_file_says_its_own_shape_and_must_fit_the_tasks(tmp_path: Path) -> None:
    path = _image_file(tmp_path / "i.npz", 5)
    assert load_batch(path, None, 4, 0).shape == TaskShape(classes=5)
    assert load_batch(path, TaskShape(classes=10), 4, 0).shape.classes == 10
    for shape in (TaskShape(height=16, width=16), TaskShape(classes=4)):
        with pytest.raises(DataError, match="expected"):
            load_batch(path, shape, 4, 0)
    with pytest.raises(DataError, match="batch needs 64"):
        load_batch(path, None, 64, 0)


@pytest.mark.parametrize("content", [b"junk", b""])
def test_a_file_that_holds_no_images_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError):
        load_batch(path, None, 4, 0)


def test_shrinking_averages_blocks() -> None:
    images = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
    batch = ImageBatch(images, np.zeros(1, int), TaskShape(height=4, width=4), "f")
    assert batch.shrunk(2).images[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert batch.shrunk(None) is batch
    assert batch.shrunk(8) is batch
    with pytest.raises(RequestError, match="does not divide"):
        batch.shrunk(3)


def test_presets_are_named() -> None:
    assert preset("fast") is FAST
    with pytest.raises(RequestError, match="full, fast"):
        preset("quick")


def test_the_command_scores_a_network_without_any_data() -> None:
    words = [ARCHS[0], "--space", "nb201", "--task", "ImageNet16-120", "--setting", "fast"]
    result = CliRunner().invoke(app, [*words, "--synthetic", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["batch"] == "synthetic"
    assert found["arch"] == ARCHS[0]
    assert set(found["values"]) | set(found["missing"]) == set(PROXIES)
    assert set(found["seconds"]) == set(PROXIES)


@pytest.mark.slow
def test_the_command_writes_and_continues_a_table(tmp_path: Path) -> None:
    out = tmp_path / "t.npz"
    for limit in ("1", "2"):
        words = ["table", "--task", "ImageNet16-120", "--out", str(out), "--limit", limit]
        assert CliRunner().invoke(app, [*words, "--json"]).exit_code == 0
    assert len(read_table(out)[0]) == 2
