"""Networks that are given a task's images in the form and size they take."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

import warnings
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_nas.domain import TaskShape

_SEED = 0

FORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "image": lambda image: image,
    "series": lambda image: image.squeeze(2),
    "grey": lambda image: image.mean(1, keepdim=True),
}


class Fitted(nn.Module):
    """A network behind what brings a task's images into the form and size it takes."""

    rows: Tensor | None
    columns: Tensor | None

    def __init__(
        self, network: nn.Module, form: str, sides: tuple[int, int], size: tuple[int, int] | None
    ) -> None:
        """Images of `sides` are resized to `size`: by products, whose sizes exporters know."""
        super().__init__()
        self.network = network
        self.form = form
        self.size = size
        rows = None if size is None else _resizing(sides[0], size[0])
        columns = None if size is None else _resizing(sides[1], size[1]).T.contiguous()
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        if self.rows is not None and self.columns is not None:
            image = self.rows @ image @ self.columns
        return cast(Tensor, self.network(FORMS[self.form](image)))


def _resizing(before: int, after: int) -> Tensor:
    """`(after, before)`: what bilinear resizing, with smoothing, makes of one side."""
    one = torch.eye(before)[None, None]
    size = (after, before)
    return functional.interpolate(one, size, mode="bilinear", antialias=True)[0, 0]


def example(shape: TaskShape, count: int = 2) -> Tensor:
    """Random images of a task's shape, the same at every call."""
    size = (count, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=torch.Generator().manual_seed(_SEED))


def run(network: nn.Module, images: Tensor) -> Tensor:
    """Logits without gradients, in evaluation mode."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cast(Tensor, network.eval()(images))


def scaled_size(shape: TaskShape, network: nn.Module, scale: float) -> tuple[int, int]:
    """Height and width of images at a scale: of the base's own size, where it has one."""
    own = network.size if isinstance(network, Fitted) else None
    height, width = own or (shape.height, shape.width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def at_scale(network: nn.Module, shape: TaskShape, scale: float) -> nn.Module:
    """The network behind a resizing of its images; itself at scale 1."""
    if scale == 1.0:
        return network
    size, sides = scaled_size(shape, network, scale), (shape.height, shape.width)
    if isinstance(network, Fitted):
        return Fitted(network.network, network.form, sides, size)
    return Fitted(network, "image", sides, size)
