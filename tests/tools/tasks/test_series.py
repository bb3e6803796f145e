"""Time series as a task: read, dealt, scaled, trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from llm_nas.domain import Label
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task, shape_of
from llm_nas.tools.tasks.held_out import open_held_out
from llm_nas.tools.tasks.real import RealTask, open_real_task

torch.set_num_threads(1)
EXAMPLE = Path(__file__).parents[3] / "examples" / "13_around_a_network.py"


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    lines = ["label," + ",".join(f"t{i}" for i in range(24))]
    for number in range(120):
        name, speed = (("slow", 0.2), ("fast", 0.9), ("still", 0.0))[number % 3]
        wave = np.sin(speed * np.arange(24) + rng.random()) * 3 + rng.normal(0, 0.2, 24)
        lines.append(name + "," + ",".join(f"{value:.4f}" for value in wave))
    path = tmp_path_factory.mktemp("series") / "waves.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_series_are_images_of_height_one(waves: Path) -> None:
    shape = shape_of(f"series:{waves}")
    assert shape is not None
    assert (shape.channels, shape.height, shape.width, shape.classes) == (1, 1, 24, 3)
    task = open_real_task(f"series:{waves}", open_space("mobile", shape), isolated=False)
    assert task.data.classes == ("fast", "slow", "still")
    train, validation = task.data.train, task.data.validation
    test = open_held_out(f"series:{waves}")
    assert len(train) + len(validation) + len(test) == 120
    assert len(test) == 18
    seen = np.concatenate([train.pixels, validation.pixels])
    assert (seen.min(), seen.max()) == (0.0, pytest.approx(255.0))
    assert not task.data.mirrored
    assert "series of 24 values of 3 classes" in task.about
    assert any("15 % of its 120 series kept aside" in note for note in task.notes)


def test_networks_around_one_learn_series(waves: Path) -> None:
    name = f"series:{waves}"
    space = open_space(f"around:{EXAMPLE}:make_model", shape_of(name))
    task = open_task(name, space, epochs=8)
    assert isinstance(task, RealTask)
    try:
        full = space.arch({choice.name: choice.values[-1] for choice in space.choices})
        label = task.train(full, 1.0, 0)
    finally:
        task.close()
    assert isinstance(label, Label)
    assert label.value > task.chance


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,1,2,3,4\nb,1,2,3\n", "line 2: 3 values, expected 4"),
        ("a,1,2,3,4\nb,1,2,x,4\n", "line 2: a value is no finite number"),
        ("a,1,2,3,4\nb,1,2,nan,4\n", "line 2: a value is no finite number"),
        ("a,1\n", "at least 4 values"),
        ("", "expected rows"),
        ("a,1,2,3,4\n" * 9, "at least two classes"),
        ("a,1,2,3,4\n" * 9 + "b,1,2,3,4\n", "class b has 1 images"),
    ],
)
def test_what_is_no_series_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told) as caught:
        shape_of(f"series:{path}")
    assert "\n" not in str(caught.value)
    with pytest.raises(RequestError, match=r"series:FILE\.csv"):
        shape_of(f"series:{tmp_path / 'absent.csv'}")
