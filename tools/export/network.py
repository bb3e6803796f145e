"""A network that takes images in 0..1: normalisation is part of it, trained and exported alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from llm_nas.domain import Arch, TaskShape
from llm_nas.errors import ToolError
from llm_nas.ports import Buildable, SearchSpace

if TYPE_CHECKING:
    from torch import Tensor

NEUTRAL = (0.5, 0.25)
"""Mean and deviation of every channel for networks that are timed before any image was seen."""


class Normalised(nn.Module):
    """A network behind `(image - mean) / deviation`, per channel."""

    mean: "Tensor"
    deviation: "Tensor"

    def __init__(
        self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, -1, 1, 1))

    def forward(self, image: "Tensor") -> "Tensor":
        """Logits `(n, classes)` of images `(n, channels, height, width)` in 0..1."""
        logits: Tensor = self.network((image - self.mean) / self.deviation)
        return logits


def build(
    space: SearchSpace,
    arch: Arch,
    shape: TaskShape,
    mean: Sequence[float] | None = None,
    deviation: Sequence[float] | None = None,
) -> Normalised:
    """The network of an architecture, checked on two random images.

    `mean` and `deviation` are the task's, per channel; a space that says how its networks see
    images (`normalisation`) has its way.

    Raises:
        ToolError: when it does not build, or does not give one logit a class.
    """
    if not isinstance(space, Buildable):
        raise ToolError(f"the space {space.name} has no build: its networks cannot be made")
    own: tuple[Sequence[float], Sequence[float]] | None = getattr(space, "normalisation", None)
    usual = tuple((number,) * shape.channels for number in NEUTRAL)
    mean, deviation = own or (mean or usual[0], deviation or usual[1])
    try:
        network = Normalised(space.build(arch, shape), mean, deviation)
        with torch.no_grad():
            logits = network.eval()(torch.rand(2, shape.channels, shape.height, shape.width))
    except Exception as error:  # a space of the person's own may raise anything
        raise ToolError(f"it does not build: {in_one_line(error)}") from error
    if tuple(logits.shape) != (2, shape.classes):
        given = tuple(logits.shape)
        raise ToolError(f"it does not build: gives {given} for two images and {shape.classes}"
                        " classes")  # fmt: skip
    return network


def in_one_line(error: BaseException, most: int = 200) -> str:
    """An error's kind and text without line breaks, cut to `most` characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:most]
