"""Inherited weights: an equal network gets all, a smaller one the first channels."""

import numpy as np
import torch
from torch import nn

from llm_nas.domain import TaskShape
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks.inherit import inherit


def plain(widths: list[int], kernel: int = 3) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip([3, *widths], widths, strict=False):
        layers += [nn.Conv2d(before, after, kernel, padding=kernel // 2), nn.BatchNorm2d(after)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 4))


def weight(layer: nn.Module) -> torch.Tensor:
    assert isinstance(layer.weight, torch.Tensor)
    return layer.weight


def test_an_equal_network_computes_the_same() -> None:
    space = open_space("mobile", TaskShape(height=16, width=16))
    arch = space.sample(np.random.default_rng(3))
    torch.manual_seed(0)
    shape = TaskShape(height=16, width=16)
    made: list[nn.Module] = [space.build(arch, shape).eval() for _ in range(2)]  # type: ignore[attr-defined]
    mine, theirs = made
    images = torch.rand(2, 3, 16, 16)
    assert not torch.equal(mine(images), theirs(images))
    assert inherit(mine, theirs) == 1.0
    assert torch.equal(mine(images), theirs(images))


def test_channels_are_cut_and_kernels_centred() -> None:
    small, large = plain([4, 6]), plain([8, 12], kernel=5)
    inherit(small, large)
    mine, theirs = weight(small[2]), weight(large[2])
    assert torch.equal(mine, theirs[:6, :4, 1:4, 1:4])
    assert torch.equal(weight(small[-1]), weight(large[-1])[:, :6])


def test_layers_that_are_missing_are_stepped_over() -> None:
    short, long = plain([8, 16]), plain([8, 8, 16])
    assert inherit(short, long) == 1.0
    assert torch.equal(weight(short[0]), weight(long[0]))
    assert torch.equal(weight(short[2]), weight(long[4]))
    share = inherit(long, short)
    assert 0.3 < share < 1.0
