"""Macro networks: closed forms against built modules and published columns; files that fail."""

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.macro import open_macro
from llm_nas.tools.spaces.macro.blocks import CATALOGUE, USES, Wanted
from llm_nas.tools.spaces.macro.network import SelfAttention, network
from llm_nas.tools.spaces.macro.plan import cost


def counted(module: nn.Module, images: torch.Tensor) -> dict[str, int]:
    """Multiply-adds by kind of layer, counted while the module runs."""
    work = {"weights": 0, "norms": 0, "pools": 0}

    def see(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        one = output[0].numel()
        if isinstance(layer, nn.Conv2d):
            work["weights"] += layer.weight[0].numel() * one
        elif isinstance(layer, nn.Linear):
            work["weights"] += layer.in_features * one
        elif isinstance(layer, nn.BatchNorm2d):
            work["norms"] += one
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            places = inputs[0].shape[2] * inputs[0].shape[3]
            work["pools"] += (places + 1) * one
        elif isinstance(layer, SelfAttention):
            _, c, height, width = output.shape
            work["weights"] += 2 * c * (height * width) ** 2

    handles = [layer.register_forward_hook(see) for layer in module.modules()]
    with torch.no_grad():
        module.eval()(images)
    for handle in handles:
        handle.remove()
    return work


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("c_in", "c_out"), [(16, 16), (12, 20), (7, 9)])
@pytest.mark.parametrize("block", sorted(CATALOGUE))
def test_every_block_costs_what_its_module_does(
    block: str, c_in: int, c_out: int, stride: int
) -> None:
    wanted = Wanted(c_in, c_out, stride, 5, 2, 1, 2, 4, "hswish")
    plan = CATALOGUE[block](wanted)
    module = network(plan)
    images = torch.randn(2, c_in, 9, 5)
    expected = cost(plan, 9, 5)
    assert module(images).shape == (2, c_out, expected.height, expected.width)
    assert expected.params == sum(weights.numel() for weights in module.parameters())
    assert expected.macs == counted(module, images)["weights"]


@pytest.mark.parametrize("name", ["anb", "fbnet", "mobile"])
@pytest.mark.parametrize(
    "shape", [TaskShape(channels=1, height=9, width=6, classes=3), TaskShape(classes=100)]
)
def test_sizes_of_a_network_are_those_of_its_module(name: str, shape: TaskShape) -> None:
    space = open_macro(name, shape)
    rng = np.random.default_rng(4)
    archs = [space.sample(rng) for _ in range(4)]
    known = space.quantities(archs)
    images = torch.zeros(1, shape.channels, shape.height, shape.width)
    for place, arch in enumerate(archs):
        module = space.build(arch, shape)
        held = sum(weights.numel() for weights in module.parameters())
        assert known["params_m"][place] == pytest.approx(held / 1e6, abs=1e-9)
        work = counted(module, images)["weights"]
        assert known["macs_m"][place] == pytest.approx(work / 1e6, abs=1e-9)


def test_an_odd_block_is_one_convolution() -> None:
    plan = CATALOGUE["conv"](Wanted(3, 8, 2, 3, 1, 0, 1, 1, "relu"))
    assert cost(plan, 10, 10) == (3 * 8 * 9 + 16, 3 * 8 * 9 * 25, 8 * 25, 5, 5)
    assert set(USES) == set(CATALOGUE)


def test_accel_nasbench_columns(tables: Path) -> None:
    """Parameters agree; its multiply-adds also count 4 an output of batch norms, and pools."""
    space = open_macro("anb")
    with gzip.open(f"{tables}/anb/anb.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    archs = [anb_text(row) for row in rows]
    assert [space.parse(arch) for arch in archs] == archs
    known = space.quantities(archs)
    published = np.array([float(row["params_M"]) for row in rows])
    np.testing.assert_allclose(known["params_m"], published, atol=1e-9)
    for place in (0, 2000, 5000):
        module = space.build(archs[place], space.shape)
        work = counted(module, torch.zeros(1, 3, 224, 224))
        every = (work["weights"] + 4 * work["norms"] + work["pools"]) / 1e6
        assert float(rows[place]["macs_M"]) == pytest.approx(every, abs=1e-6)
        assert known["macs_m"][place] == pytest.approx(work["weights"] / 1e6, abs=1e-6)


def anb_text(row: dict[str, str]) -> str:
    letters = ("e", "k", "l", "se")
    return " ".join(f"{x}{i + 1}={row[f'block{i}_{x}']}" for i in range(7) for x in letters)


def test_fbnet_parameters(tables: Path) -> None:
    table = np.load(tables / "fbnet_hwnasbench.npz")
    space = open_macro("fbnet")
    blocks = table["ops"].tolist()
    assert blocks == list(space.choices[0].values)
    archs = [
        " ".join(f"op{layer}={blocks[op]}" for layer, op in enumerate(row, start=1))
        for row in table["zcp_arch"].tolist()
    ]
    names = table["zcp_names"].tolist()
    published = table["zcp"][:, names.index("params")] / 1e6
    np.testing.assert_allclose(space.quantities(archs)["params_m"], published, atol=1e-9)


def test_mobile_reaches_from_tiny_to_large() -> None:
    space = open_macro("mobile")
    assert space.log10_size > 9
    ends = [
        space.arch({c.name: end(c.values) if c.ordered else c.values[-1] for c in space.choices})
        for end in (min, max)
    ]
    low, high = space.quantities(ends)["params_m"]
    assert low < 0.1
    assert 10 < high < 15


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


MINE = """
name = "mine"
[network]
scale = [0.5, 1]
[blocks.small]
block = "mbconv"
kernel = 3
expansion = 1
[defaults]
kernel = [3, 5]
[[stages]]
width = [8, 16]
expansion = [2, 4]
block = ["mbconv", "small", "conv"]
[[stages]]
kernel = 7
width = 24
depth = [0, 1, 2]
se = [0, 1]
[head]
width = [0, 64]
"""


def test_a_choice_sleeps_where_its_block_has_no_use_for_it(tmp_path: Path) -> None:
    space = open_macro(written(tmp_path, MINE))
    names = ["scale", "b1", "w1", "e1", "k1", "d2", "se2", "head_width"]
    assert sorted(c.name for c in space.choices) == sorted(names)
    whole = "scale=1 b1={} w1=8 e1=2 k1=5 d2={} se2=1 head_width=0"
    assert "b1=mbconv k1=5 w1=8 e1=2 d2=1 " in space.parse(whole.format("mbconv", 1))
    assert " k1=5 " in space.parse(whole.format("conv", 1))
    assert "e1" not in space.parse(whole.format("conv", 1))
    assert "k1" not in space.parse(whole.format("small", 1))
    assert "se2" not in space.parse(whole.format("small", 0))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("kernel = 7", "kernel = 4"), r"stages\.1\.kernel.*odd"),
        (("width = 24", "width = -1"), r"stages\.1\.width.*greater"),
        (("width = 24", "wide = 24"), r"stages\.1\.(wide|width)"),
        (('"conv"]', '"convv"]'), r"stages\.0\.block: no block 'convv'; there are small, conv"),
        (('block = "mbconv"', 'block = "none"'), r"blocks\.small\.block: no block 'none'"),
        (("scale = [0.5, 1]", "scale = []"), "list of values is empty"),
        (("[0, 1, 2]", "[0, 1, 1]"), r"d2.*must differ"),
        (('name = "mine"', ""), "name: Field required"),
        (('name = "mine"', 'name = "mine'), "no readable TOML"),
        (("[head]", "[heads]"), "heads"),
        (("[defaults]", "[[defaults]]"), "defaults: Input should be"),
        (("[head]", "[names]\ncolour = 'c'\n[head]"), r"names\.colour: expected one of block"),
    ],
)
def test_files_fail_in_one_line_that_names_the_key(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    path = written(tmp_path, MINE.replace(*change))
    with pytest.raises(RequestError, match=says) as caught:
        open_macro(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        open_macro(str(tmp_path / "none.toml"))


def test_a_network_trains_on_an_odd_image(tmp_path: Path) -> None:
    shape = TaskShape(channels=2, height=1, width=5, classes=3)
    space: Any = open_macro(written(tmp_path, MINE), shape)
    module = space.build(space.sample(np.random.default_rng(0)), shape).train()
    images = torch.randn(4, 2, 1, 5)
    loss = nn.functional.cross_entropy(module(images), torch.tensor([0, 1, 2, 0]))
    torch.autograd.backward(loss)
    assert all(weights.grad is not None for weights in module.parameters())


def test_small_images_are_not_made_smaller_still() -> None:
    def values(side: int) -> dict[str, tuple[object, ...]]:
        space = open_macro("mobile", TaskShape(height=side, width=side))
        return {c.name: c.values for c in space.choices}

    assert values(8)["scale"] == (1,)
    assert values(8)["stem_stride"] == (1,)
    assert values(12)["scale"] == (0.75, 1)
    assert values(32)["scale"] == (0.5, 0.75, 1)
    assert values(32)["stem_stride"] == (1, 2)
