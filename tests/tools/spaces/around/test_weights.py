"""Weights come from files of tensors alone; candidates start from them; chains of searches."""
# torch tells little of its modules' types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from llm_nas.domain import Label, TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces import open_space
from llm_nas.tools.spaces.around import open_around
from llm_nas.tools.spaces.around.channels import silenced
from llm_nas.tools.spaces.around.fitted import Fitted, example, run
from llm_nas.tools.spaces.around.space import AroundSpace
from llm_nas.tools.tasks.baselines import kin, rivals
from llm_nas.tools.tasks.real import RealTask, open_real_task, shape_of_real
from llm_nas.tools.tasks.training import TUNING
from tests.tools.spaces.around import networks

torch.set_num_threads(1)
FILE = Path(networks.__file__)
SHAPE = TaskShape(height=16, width=16)
MAKE = f"around:{FILE}:make_residual"


def other_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(9)
    return networks.residual().state_dict()


class Code:
    """Unpickling it would run something."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('code was run')",))


@pytest.mark.parametrize("wrap", ["plain", "state_dict", "module.", "safetensors"])
def test_weights_are_read(tmp_path: Path, wrap: str) -> None:
    state = other_weights()
    path = tmp_path / ("w.safetensors" if wrap == "safetensors" else "w.pt")
    if wrap == "safetensors":
        save_file(state, path)
    elif wrap == "module.":
        torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)
    else:
        torch.save(state if wrap == "plain" else {"state_dict": state, "epoch": 3}, path)
    space = open_around(f"{MAKE}?weights={path}", SHAPE)
    base = networks.residual()
    base.load_state_dict(state)
    images = example(SHAPE)
    assert torch.allclose(space.logits(space.full), run(base, images), atol=1e-5)
    assert space.inherits
    assert space.notes == ()


def test_a_state_dict_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"0.weight": torch.zeros(2), "more": Code()}, path)
    with pytest.raises(RequestError, match="code in files is never run") as caught:
        open_space(f"{MAKE}?weights={path}", SHAPE)
    assert "\n" not in str(caught.value)
    path.write_bytes(pickle.dumps(Code()))
    with pytest.raises(RequestError, match=r"bad.pt"):
        open_space(f"{MAKE}?weights={path}", SHAPE)


@pytest.mark.parametrize("wrong", ["missing", "shape", "text", "list"])
def test_weights_of_another_network_are_refused(tmp_path: Path, wrong: str) -> None:
    state: object = other_weights()
    assert isinstance(state, dict)
    path = tmp_path / "w.pt"
    if wrong == "missing":
        del state["3.conv1.weight"]
    elif wrong == "shape":
        state["3.conv1.weight"] = torch.zeros(8, 8, 1, 1)
    torch.save([1, 2] if wrong == "list" else state, path)
    if wrong == "text":
        path.write_text("no weights", encoding="utf-8")
    with pytest.raises(RequestError, match=r"w\.pt") as caught:
        open_space(f"{MAKE}?weights={path}", SHAPE)
    assert "\n" not in str(caught.value)


def test_other_classes_get_a_new_head_and_say_so() -> None:
    space = open_around(MAKE, TaskShape(height=16, width=16, classes=4))
    assert space.logits(space.full).shape == (2, 4)
    assert any("new head for 4 classes, the base has 10" in note for note in space.notes)
    again = open_around(MAKE, TaskShape(height=16, width=16, classes=4))
    assert torch.equal(space.logits(space.full), again.logits(again.full))
    assert space.name == again.name


def test_weights_of_other_classes_leave_the_head_alone(tmp_path: Path) -> None:
    state = other_weights()
    state["8.weight"], state["8.bias"] = torch.zeros(7, 16), torch.zeros(7)
    torch.save(state, tmp_path / "w.pt")
    space = open_around(f"{MAKE}?weights={tmp_path / 'w.pt'}", SHAPE)
    stem = space.base.network.get_parameter("0.weight")
    assert torch.equal(stem, state["0.weight"])
    assert float(space.logits(space.full).abs().max()) > 0


def test_size_and_normalisation_follow_the_card(tmp_path: Path) -> None:
    file = tmp_path / "carded.py"
    file.write_text(
        f"import sys; sys.path.insert(0, {str(FILE.parents[4])!r})\n"
        "from tests.tools.spaces.around import networks\n"
        "def make_model():\n"
        "    net = networks.make_residual()\n"
        "    card = dict(mean=(.4, .4, .4), std=(.2, .2, .2), input_size=(3, 24, 24))\n"
        "    net.pretrained_cfg = card\n"
        "    return net\n",
        encoding="utf-8",
    )
    space = open_around(f"around:{file}:make_model", SHAPE)
    assert space.normalisation == ((0.4,) * 3, (0.2,) * 3)
    assert isinstance(space.base.network, Fitted)
    assert space.base.network.size == (24, 24)
    scales = next(c.values for c in space.choices if c.name == "scale")
    assert scales == (0.5, 0.75, 1.0)


def test_series_are_given_without_a_height() -> None:
    shape = TaskShape(channels=1, height=1, width=48, classes=3)
    examples = Path(networks.__file__).parents[4] / "examples"
    for name in ("13_around_a_network.py", "14_transformer_encoder.py"):
        space = open_around(f"around:{examples / name}:make_model", shape)
        assert "scale" not in {choice.name for choice in space.choices}
        rng = np.random.default_rng(0)
        for arch in [space.full, *(space.sample(rng) for _ in range(3))]:
            assert space.logits(arch).shape == (2, 3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RealTask, str]:
    """Digits, and a base that was trained on them for two epochs by the project's recipe."""
    folder = tmp_path_factory.mktemp("base")
    space = open_around(MAKE, shape_of_real("digits"))
    task = open_real_task("digits", space, epochs=2, folder=folder, isolated=False)
    assert isinstance(task.train(space.full, 1.0, 0), Label)
    weights = task.weights.path(space.full, 2, 0)
    return task, f"{MAKE}?weights={weights}"


def test_a_training_starts_from_the_bases_weights(trained: tuple[RealTask, str]) -> None:
    task, name = trained
    space = open_space(name, task.shape)
    assert isinstance(space, AroundSpace)
    tuned = open_real_task("digits", space, isolated=False)
    assert tuned.epochs == 2
    assert TUNING.key in tuned.recipe
    assert space.normalisation is not None
    assert space.normalisation[0] == pytest.approx(task.data.mean, abs=1e-6)
    assert space.normalisation[1] == pytest.approx(task.data.deviation, abs=1e-6)
    images = torch.from_numpy(task.data.validation.scaled()[:50])
    before = run(task.trained(task.space.full, 0), images)  # type: ignore[attr-defined]
    assert torch.allclose(run(tuned.build(space.full, 0), images), before, atol=1e-4)


def test_batch_norms_are_fitted_to_what_is_left(trained: tuple[RealTask, str]) -> None:
    task, name = trained
    space = open_around(name, task.shape)
    tuned = open_real_task("digits", space, isolated=False)
    arch = space.uniform()[2][1]
    network = tuned.build(arch, 0)
    norm = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()  # type: ignore[union-attr]
    space.prepare(network, tuned.data)
    assert norm.momentum == 0.1
    assert not torch.allclose(before, norm.running_mean)  # type: ignore[arg-type]
    assert not network.training


def test_channels_are_ranked_by_what_the_task_loses(trained: tuple[RealTask, str]) -> None:
    task, name = trained
    space = open_around(name, task.shape)
    group = space.plan.stages[2].groups[0]
    assert space.worth(group) == group.magnitude
    space.rank(task.data)
    assert space.worth(group) != group.magnitude
    images = torch.from_numpy(task.data.train.scaled()[:512])
    labels = torch.from_numpy(task.data.train.labels[:512])
    mean, deviation = (torch.tensor(x).reshape(1, -1, 1, 1) for x in space.normalisation or ())
    images = (images - mean) / deviation

    def loss(network: nn.Module) -> float:
        return float(nn.functional.cross_entropy(run(network, images), labels))

    order = np.argsort(space.worth(group))
    least, most = (
        silenced(space.base.network, example(task.shape), [(group, [int(c) for c in half])])
        for half in np.split(order, 2)
    )
    assert loss(least) < loss(most)
    other = open_around(name, task.shape.model_copy(update={"classes": 4}))
    other.rank(task.data)
    assert other.worth(group) == group.magnitude


def test_a_finished_network_is_the_base_of_the_next_search(
    trained: tuple[RealTask, str], tmp_path: Path
) -> None:
    task, name = trained
    space = open_around(name, task.shape)
    arch = space.uniform()[1][1]
    tuned = open_real_task("digits", space, epochs=1, folder=tmp_path, isolated=False)
    assert isinstance(tuned.train(arch, 1.0, 0), Label)
    folder = tmp_path / "finish" / "1-fp32"
    folder.mkdir(parents=True)
    tuned.weights.path(arch, 1, 0).rename(folder / "weights.safetensors")
    (tmp_path / "request.json").write_text(
        f'{{"request": {{"space": "{name}"}}}}', encoding="utf-8"
    )
    classes = ", ".join(f'"{c}"' for c in tuned.data.classes)
    (folder / "card.json").write_text(
        f'{{"arch": "{arch}", "space": "x", "height": 8, "width": 8, "classes": [{classes}]}}',
        encoding="utf-8",
    )
    found = open_around(f"around:{folder}", task.shape)
    assert found.inherits
    params = space.quantities([arch])["params_m"][0]
    assert found.quantities([found.full])["params_m"][0] == params
    (folder / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RequestError, match="no finished network"):
        open_around(f"around:{folder}", task.shape)


def test_the_base_and_its_uniform_versions_stand_beside(trained: tuple[RealTask, str]) -> None:
    task, name = trained
    space = open_around(name, task.shape)
    assert [member.name for member in kin(space)][:2] == [
        "the base itself",
        "the base, 0.75 of its channels",
    ]
    assert all("the base's size" in member.name for member in rivals(space, task.shape))
    assert kin(open_space("mobile", task.shape)) == ()
