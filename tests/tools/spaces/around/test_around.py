"""Networks of many kinds become spaces; nothing they propose computes something else."""
# torch tells little of its modules' types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace
from llm_nas.testing import SpaceContract
from llm_nas.tools.export.network import build as build_for_export
from llm_nas.tools.export.onnx_file import compare, export
from llm_nas.tools.spaces import open_space
from llm_nas.tools.spaces.around import open_around
from llm_nas.tools.spaces.around.channels import gone, silenced
from llm_nas.tools.spaces.around.fitted import example, run
from llm_nas.tools.spaces.around.space import AroundSpace
from tests.tools.spaces.around import networks

torch.set_num_threads(1)
FILE = Path(networks.__file__)
SHAPE = TaskShape(height=16, width=16)
KINDS = tuple(networks.KINDS)


@cache
def around(kind: str) -> AroundSpace:
    return open_around(f"around:{FILE}:make_{kind}", SHAPE)


def some(space: AroundSpace, count: int = 4) -> list[str]:
    rng = np.random.default_rng(3)
    smallest = space.arch({c.name: c.values[0] for c in space.choices})
    return [smallest, space.full, *(space.sample(rng) for _ in range(count))]


class TestAround(SpaceContract):
    shape = SHAPE
    members = 20

    @pytest.fixture(params=["residual", "attention"])
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return around(request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_member_is_the_base(kind: str) -> None:
    space = around(kind)
    base = networks.make(kind)
    images = example(SHAPE, 5)
    wanted = run(base, images)
    got = run(space.build(space.full, SHAPE), images)  # type: ignore[attr-defined]
    assert float((wanted - got).abs().max()) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_runs_and_exports(kind: str, tmp_path: Path) -> None:
    space = around(kind)
    images = torch.rand(3, 3, 16, 16)
    for number, arch in enumerate(some(space, 1)):
        network = build_for_export(space, arch, SHAPE)
        file = tmp_path / f"{number}.onnx"
        export(network, SHAPE, file, "trace")
        assert compare(file, network, images.numpy()) < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_those_of_the_built_network(kind: str) -> None:
    space = around(kind)
    archs = some(space)
    known = space.quantities(archs)
    for arch, params, macs in zip(archs, known["params_m"], known["macs_m"], strict=True):
        network = space.build(arch, SHAPE)  # type: ignore[attr-defined]
        assert sum(p.numel() for p in network.parameters()) == pytest.approx(params * 1e6)
        assert counted(network) == pytest.approx(macs * 1e6)


def counted(network: nn.Module) -> float:
    """Multiply-adds, the slow way: watch every layer work."""
    total = 0.0

    def add(module: nn.Module, given: tuple[Tensor, ...], out: object) -> None:
        nonlocal total
        if isinstance(module, nn.MultiheadAttention):
            total += 4 * given[0].numel() * module.embed_dim
        elif isinstance(out, Tensor) and isinstance(module, nn.Linear | nn.Conv2d):
            total += out.numel() * module.weight[0].numel()

    for module in network.modules():
        module.register_forward_hook(add)
    network.train()  # torch's encoder takes a short cut past its layers otherwise
    with torch.no_grad():
        network(example(SHAPE, 1).repeat(2, 1, 1, 1))
    return total / 2


@pytest.mark.parametrize("kind", ["residual", "dense", "gated", "shuffled", "shared"])
def test_a_cut_network_says_what_the_base_says_with_those_channels_silent(kind: str) -> None:
    space = around(kind)
    for stage in space.plan.stages:
        values = {c.name: c.values[-1] for c in space.choices}
        keep = stage.keeps[len(stage.keeps) // 2]
        values[stage.name] = keep * stage.unit
        twin = space.base.network
        for group in stage.groups:
            lost = gone(group, keep, group.magnitude)
            twin = silenced(twin, example(SHAPE), [(group, lost)])
        wanted = run(twin, example(SHAPE))
        assert float((space.logits(space.arch(values)) - wanted).abs().max()) < 1e-4


def test_what_cannot_be_cut_is_named_and_kept_whole() -> None:
    whole = around("shared").plan.whole
    assert any(line.startswith("block.conv1: used more than once") for line in whole)
    assert any(line.startswith("one: used more than once") for line in whole)
    assert [stage.groups[0].root for stage in around("shared").plan.stages] == ["wide"]
    assert any(line.startswith("qkv: cannot be cut") for line in around("fused").plan.whole)


def test_nothing_is_cut_that_would_run_and_say_something_else() -> None:
    space = open_around(f"around:{FILE}:make_averaging", SHAPE)
    assert space.plan.whole == ("stem: cutting it would compute something else",)
    assert [stage.groups[0].root for stage in space.plan.stages] == ["last"]
    assert space.notes[-1].endswith("kept whole: stem: cutting it would compute something else")


def test_blocks_heads_kernels_and_images_are_choices() -> None:
    names = {choice.name: choice.words for choice in around("residual").choices}
    assert names["b1"] == "whether block 3 is kept"
    assert names["k1"] == "kernel size of 0"
    assert names["scale"] == "factor of the image's sides"
    assert around("residual").plan.blocks == ("3", "5")
    assert around("gated").plan.blocks == ("1", "3")
    heads = {c.name: c.values for c in around("attention").choices if c.name.startswith("h")}
    assert heads == {"h1": (1, 2, 3, 4), "h2": (1, 2, 3, 4)}
    assert around("dense").plan.blocks == around("grouped").plan.blocks == ()


def test_a_dropped_block_hands_on_its_input() -> None:
    space = around("residual")
    values = {c.name: c.values[-1] for c in space.choices} | {"b1": 0}
    base = networks.make("residual")
    setattr(base, "3", nn.Identity())
    images = example(SHAPE)
    assert torch.allclose(run(base, images), space.logits(space.arch(values)), atol=1e-5)


def test_the_uniform_versions_go_from_the_base_downwards() -> None:
    space = around("residual")
    named = space.uniform()
    assert named[0] == ("the base itself", space.full)
    macs = space.quantities([arch for _, arch in named])["macs_m"]
    assert len(named) == 5
    assert (np.diff(macs) < 0).all()


def test_many_groups_share_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_nas.tools.spaces.around.plan.MOST_STAGES", 3)
    space = open_around(f"around:{FILE}:make_residual", SHAPE)
    assert len(space.plan.stages) == 2
    for arch in some(space):
        assert space.logits(arch).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (f"around:{FILE}:broken", "does not take images"),
        (f"around:{FILE}:fixed", "nothing of it can be changed"),
        (f"around:{FILE}:recurrent", "does not take images"),
        (f"around:{FILE}:absent", "no function 'absent'"),
        (f"around:{FILE}:torch", "no torch module"),
        ("around:nowhere.py:make", "no file nowhere.py"),
        (f"around:{FILE}:make_residual?weights=nowhere.pt", "no file nowhere.pt"),
        ("around:somewhere", "expected around:FILE.py"),
        ("around:timm:no/name", "no name of a timm network"),
        ("around:timm:resnet18", "timm is not installed"),
    ],
)
def test_what_is_no_base_is_refused_in_one_line(name: str, told: str) -> None:
    if "timm:resnet18" in name:
        try:
            import timm  # type: ignore[import-not-found]  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("timm is installed here")
    with pytest.raises(RequestError) as caught:
        open_space(name, SHAPE)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
