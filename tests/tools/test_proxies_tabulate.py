"""Tables resume without recomputing, survive torn journals and do not depend on the engine."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from llm_nas.cli.proxies import app
from llm_nas.domain import PROXIES
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.proxies.batch import CLASSES, ImageBatch, load_batch, synthetic_batch
from llm_nas.tools.proxies.engines import ProcessEngine, Row, SerialEngine, Work, engine
from llm_nas.tools.proxies.settings import FAST, ProxySettings, preset
from llm_nas.tools.proxies.tabulate import Recipe, canonical_order, fill_table, read_table
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
TINY = ProxySettings(batch_size=4, zen_batch_size=2, channels=4, cells_per_stage=1)
WORK = Work("ImageNet16-120", synthetic_batch("ImageNet16-120", 4, 0), 0, TINY, 1)
RECIPE = Recipe(
    space="nasbench201",
    dataset="ImageNet16-120",
    settings=TINY,
    seed=0,
    batch="synthetic",
    torch="x",
)


class _Counting(SerialEngine):
    def __init__(self) -> None:
        self.computed: list[int] = []

    def run(self, work: Work, indices: Sequence[int]) -> Iterator[Row]:
        for row in super().run(work, indices):
            self.computed.append(row.index)
            yield row


def _cells(count: int) -> list[int]:
    return [int(i) for i in canonical_order(SPACE, 0)[:count]]


def test_the_order_is_a_permutation_of_the_canonical_cells() -> None:
    order = canonical_order(SPACE, 3)
    assert len(set(order.tolist())) == 9445
    assert not np.array_equal(order, canonical_order(SPACE, 4))


def test_a_continued_table_computes_only_what_is_missing(tmp_path: Path) -> None:
    out, runner = tmp_path / "t.npz", _Counting()
    fill_table(out, RECIPE, WORK, _cells(2), runner, space=SPACE)
    journal = tmp_path / "t.npz.journal"
    journal.write_text(journal.read_text() + '{"index": 5, "val')
    summary = fill_table(out, RECIPE, WORK, _cells(3), runner, space=SPACE)
    assert runner.computed == _cells(3)
    assert summary.cells == 3
    values, recipe = read_table(out)
    assert recipe == RECIPE
    assert sorted(np.flatnonzero(np.isfinite(values[:, 2])).tolist()) == sorted(_cells(3))
    straight = tmp_path / "straight.npz"
    fill_table(straight, RECIPE, WORK, _cells(3), SerialEngine(), space=SPACE)
    assert np.array_equal(read_table(straight)[0], values, equal_nan=True)


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "t.npz"
    fill_table(out, RECIPE, WORK, [], SerialEngine(), space=SPACE)
    other = RECIPE.model_copy(update={"seed": 1})
    with pytest.raises(RequestError, match="another recipe"):
        fill_table(out, other, WORK, [], SerialEngine(), space=SPACE)


def test_processes_give_the_same_rows() -> None:
    serial = {row.index: row for row in SerialEngine().run(WORK, _cells(2))}
    pooled = {row.index: row for row in ProcessEngine(1).run(WORK, _cells(2))}
    assert serial == pooled


class _FakeRay:
    """As much of Ray as the engine uses; results come out in the wrong order."""

    def __init__(self) -> None:
        self.held: list[int] = []

    def init(self, **options: object) -> None:
        assert options["ignore_reinit_error"]

    def put(self, work: Work) -> Work:
        return work

    def remote(self, num_cpus: int) -> Callable[[Callable[..., Row]], SimpleNamespace]:
        assert num_cpus == WORK.threads

        def wrap(function: Callable[..., Row]) -> SimpleNamespace:
            return SimpleNamespace(remote=partial(partial, function))

        return wrap

    def wait(self, waiting: list[Callable[[], Row]]) -> tuple[list[Any], list[Any]]:
        self.held.append(len(waiting))
        return waiting[-1:], waiting[:-1]

    def get(self, done: list[Callable[[], Row]]) -> list[Row]:
        return [start() for start in done]


def test_ray_gives_the_same_rows_and_never_holds_many(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    serial = {row.index: row for row in SerialEngine().run(WORK, _cells(5))}
    found = {row.index: row for row in engine("ray", 1).run(WORK, _cells(5))}
    assert found == serial
    assert max(fake.held) == 4


def test_a_machine_without_ray_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match="llm-nas\\[ray\\]"):
        list(engine("ray", 1).run(WORK, _cells(1)))


def test_engines_are_named() -> None:
    with pytest.raises(RequestError, match="expected process or ray"):
        engine("slurm", 2)


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
    path = _image_file(tmp_path / "i.npz", CLASSES["cifar100"])
    batch = load_batch(path, "cifar100", 16, 0)
    assert sorted(np.unique(batch.labels, return_counts=True)[1].tolist()) == [4, 4, 4, 4]
    assert batch.images.shape == (16, 3, 32, 32)


@pytest.mark.parametrize("content", [b"junk", b""])
def test_a_file_that_holds_no_images_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError):
        load_batch(path, "cifar10", 4, 0)


def test_shrinking_averages_blocks() -> None:
    batch = ImageBatch(np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4), np.zeros(1, int), "f")
    assert batch.shrunk(2).images[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert batch.shrunk(None) is batch
    with pytest.raises(RequestError, match="does not divide"):
        batch.shrunk(3)


def test_presets_are_named() -> None:
    assert preset("fast") is FAST
    with pytest.raises(RequestError, match="full, fast"):
        preset("quick")


def test_the_command_scores_a_cell_without_any_data() -> None:
    result = CliRunner().invoke(
        app, ["6111", "--dataset", "ImageNet16-120", "--setting", "fast", "--json"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["batch"] == "synthetic"
    assert set(found["values"]) == set(PROXIES)
    assert set(found["seconds"]) == set(PROXIES)


def test_the_command_writes_and_continues_a_table(tmp_path: Path) -> None:
    out = tmp_path / "t.npz"
    for limit in ("1", "2"):
        words = ["table", "--dataset", "ImageNet16-120", "--out", str(out), "--limit", limit]
        assert CliRunner().invoke(app, [*words, "--json"]).exit_code == 0
    assert np.isfinite(read_table(out)[0][:, 2]).sum() == 2
