"""Tasks from tables: labels, noise, users' files, and no way from a task to the truth."""

from pathlib import Path

import numpy as np
import pytest

from llm_nas import Choice, Space
from llm_nas.domain import Failure, Label
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data import nb201_tables
from llm_nas.tools.data.public.anb import measured_rows
from llm_nas.tools.data.truth.model import truth_model
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task, shape_of

_ANB, _RNG = open_space("anb"), np.random.default_rng(0)
ANB = [_ANB.sample(_RNG) for _ in range(150)]
TOY = Space("toy", [Choice("k", (1, 3, 5, 7), ordered=True)])


def _value(answer: Label | Failure) -> float:
    assert isinstance(answer, Label)
    return answer.value


def test_labels_of_cells_are_of_one_training(tables: Path) -> None:
    task, space = open_task("cifar100", open_space("nb201"), data_dir=tables), open_space("nb201")
    rng = np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(50)]
    found = [_value(task.train(arch, 1.0, 0)) for arch in archs]
    with np.load(tables / "nb201_accuracy.npz") as published:
        texts = published["arch_str"].tolist()
        rows = [texts.index(arch) for arch in archs]
        np.testing.assert_array_equal(found, published["valid_acc_naslib"][rows, 1])
    assert task.chance == 1.0
    assert "surrogate" not in task.source


def test_the_packs_labels_say_what_they_were_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_NAS_DATA", "")
    task = open_task("cifar10", open_space("nb201"))
    assert "surrogate" in task.source
    assert "fitted on validation accuracies alone" in task.source


def test_noise_has_the_published_size_and_depends_on_the_seed_alone() -> None:
    task, model = open_task("imagenet", open_space("anb")), truth_model("anb")
    first = [_value(task.train(arch, 1.0, 0)) for arch in ANB]
    assert first == [_value(task.train(arch, 1.0, 0)) for arch in ANB]
    second = [_value(task.train(arch, 1.0, 1)) for arch in ANB]
    noise = np.array(first) - model.values("imagenet", ANB)
    assert noise.std() == pytest.approx(0.25, rel=0.15)
    assert abs(noise.mean()) < 0.05
    assert abs(np.corrcoef(noise, np.array(second) - model.values("imagenet", ANB))[0, 1]) < 0.2
    assert "truth model" in task.source


def test_noise_of_perplexity_is_in_its_logarithm() -> None:
    space = open_space("hwgpt-s")
    task, rng = open_task("openwebtext", space), np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(300)]
    found = np.array([_value(task.train(arch, 1.0, 0)) for arch in archs])
    noise = np.log(found) - np.log(truth_model("hwgpt-s").values("openwebtext", archs))
    assert noise.std() == pytest.approx(0.004, rel=0.2)
    assert task.metric.name == "perplexity"
    assert shape_of("openwebtext") is None


def test_a_task_has_no_attribute_that_leads_to_the_truth() -> None:
    """Whatever takes architectures alone, without a seed, would be a door to noise-free values."""
    task = open_task("imagenet", open_space("anb"))
    public = {name: getattr(task, name) for name in dir(task) if not name.startswith("_")}
    assert set(public) == {"name", "metric", "chance", "source", "trained", "archs", "train"}
    assert public["trained"](ANB[0], 0) != truth_model("anb").values("imagenet", ANB[:1])[0]
    with pytest.raises(TypeError):
        public["trained"](ANB[0])


def test_measured_rows_are_a_pool(tables: Path) -> None:
    task = open_task("imagenet", open_space("anb-rows"), data_dir=tables)
    rows = measured_rows(tables)
    assert task.archs == rows.archs  # type: ignore[attr-defined]
    assert _value(task.train(rows.archs[7], 1.0, 3)) == rows.quantities["imagenet"][7]
    other = open_space("anb").sample(np.random.default_rng(0))
    assert isinstance(task.train(other, 1.0, 0), Failure)


def test_without_the_tables_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_NAS_DATA", "")
    with pytest.raises(DataError, match=r"^the measured networks of anb are not .*data fetch"):
        open_task("imagenet", open_space("anb-rows"))


def test_a_users_table_is_a_task_without_its_tests(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("arch,accuracy_pct,test_accuracy_pct\nk=1,50,49\nk=3,60,61\nk=5,,62\n")
    task = open_task(str(path), TOY)
    assert task.name == "mine"
    assert task.archs == ("k=1", "k=3")  # type: ignore[attr-defined]
    assert task.train("k=3", 1.0, 0) == Label(arch="k=3", value=60.0)
    missing = task.train("k=5", 1.0, 0)
    assert isinstance(missing, Failure)
    assert "the table has no label" in missing.reason


def test_requests_that_make_no_sense() -> None:
    with pytest.raises(
        RequestError, match="'imagenet' has no table for space nb201; known: nb201"
    ):
        open_task("imagenet", open_space("nb201"))
    with pytest.raises(RequestError, match="fidelity 0"):
        open_task("imagenet", open_space("anb")).train(ANB[0], 0.0, 0)


def test_accuracies_stand_where_they_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_NAS_DATA", "")
    tables = nb201_tables()
    archs = tables.archs[5:1:-1]
    alone = [float(tables.validation_pct("cifar10", [arch])[0]) for arch in archs]
    assert tables.validation_pct("cifar10", archs).tolist() == alone
