"""A family of four tiny networks, one of which can be told to break."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from llm_nas.choices import Choice
from llm_nas.conditions import Value
from llm_nas.domain import TaskShape
from llm_nas.tools.spaces.space import Space

GOOD = "width=8 fault=none"
WIDE = "width=16 fault=none"
BROKEN = "width=8 fault=build"
EXPLODES = "width=8 fault=nan"


class Poison(nn.Module):
    """Fine when asked, not a number while training."""

    def forward(self, x: Tensor) -> Tensor:
        """`x`, or NaN in training."""
        return x * torch.nan if self.training else x


def build(values: Mapping[str, Value], shape: TaskShape) -> nn.Module:
    if values["fault"] == "build":
        raise ValueError("no such layer")
    width = int(values["width"])
    layers: list[nn.Module] = [
        nn.Conv2d(shape.channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, shape.classes),
    ]
    return nn.Sequential(*layers, *([Poison()] if values["fault"] == "nan" else []))


def small_space() -> Space:
    return Space(
        "small",
        [
            Choice("width", (8, 16), ordered=True),
            Choice("fault", ("none", "build", "nan")),
        ],
        build=build,
    )
