"""The network a NAS-Bench-201 cell stands for (Dong & Yang, ICLR 2020, arXiv:2001.00326).

A 3x3 stem, three stages of `cells_per_stage` equal cells with a stride-2 residual block between
them (channels double, resolution halves), then batch norm, ReLU, global average pooling and a
linear classifier. Weights start from torch's defaults, as in the published proxy tables.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from llm_nas.errors import RequestError
from llm_nas.tools.spaces.nb201.cells import EDGE_ENDS, NODES
from llm_nas.tools.spaces.nb201.structure import CELLS_PER_STAGE, CHANNELS, STAGES


class _Conv(nn.Conv2d):
    """A convolution without bias whose weights the network draws."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, kernel, stride=stride, padding=kernel // 2, bias=False)

    def reset_parameters(self) -> None:
        """Leave the weights to `CellNetwork`, which draws every one of them."""


class _Classifier(nn.Linear):
    """A linear layer whose weights the network draws."""

    def reset_parameters(self) -> None:
        """Leave the weights to `CellNetwork`, which draws every one of them."""


class ReluConvBn(nn.Sequential):
    """ReLU, convolution, batch norm: `(n, c_in, h, w)` to `(n, c_out, h/stride, w/stride)`."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            _Conv(c_in, c_out, kernel, stride),
            nn.BatchNorm2d(c_out),
        )


def _operation(name: str, channels: int) -> nn.Module:
    match name:
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return ReluConvBn(channels, channels, 1)
        case "nor_conv_3x3":
            return ReluConvBn(channels, channels, 3)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        case _:
            raise RequestError(f"operation {name!r} has no layer in the NAS-Bench-201 network")


class CellBlock(nn.Module):
    """One cell: four nodes, each the sum of its incoming edges; `none` edges do not exist."""

    def __init__(self, operations: Sequence[str], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                str(edge): _operation(name, channels)
                for edge, name in enumerate(operations)
                if name != "none"
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c, h, w)` to the same shape; zeros when no path joins input and output."""
        nodes: list[Tensor | None] = [x] + [None] * (NODES - 1)
        for edge, layer in self.edges.items():
            source, target = EDGE_ENDS[int(edge)]
            # A node without incoming edges is zero, but its outgoing layers still run on it.
            value = nodes[source]
            out = layer(torch.zeros_like(x) if value is None else value)
            held = nodes[target]
            nodes[target] = out if held is None else held + out
        last = nodes[-1]
        return torch.zeros_like(x) if last is None else last


class Reduction(nn.Module):
    """Residual block that halves the resolution: two 3x3 convolutions beside a pooled 1x1."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.first = ReluConvBn(c_in, c_out, 3, stride=2)
        self.second = ReluConvBn(c_out, c_out, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), _Conv(c_in, c_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c_in, h, w)` to `(n, c_out, h/2, w/2)`."""
        residual: Tensor = self.shortcut(x)
        main: Tensor = self.second(self.first(x))
        return residual + main


class CellNetwork(nn.Sequential):
    """Images `(n, image_channels, h, w)` to logits `(n, classes)`.

    Args:
        operations: One name per edge, in the space's edge order.
        classes: Number of classes.
        seed: Seeds the weights; torch's global random state is not used.
        channels: Width of the first stage.
        cells_per_stage: Cells in each of the three stages.
        image_channels: Channels of the images.

    Weights follow torch's defaults: uniform within 1 / sqrt(inputs of a unit), batch norm 1 and 0.
    Each tensor is drawn from its own stream, named by its place in the network, so that two
    networks with one seed share the weights of the layers they share.

    Raises:
        RequestError: An operation is unknown.
    """

    def __init__(
        self,
        operations: Sequence[str],
        classes: int,
        *,
        seed: int,
        channels: int = CHANNELS,
        cells_per_stage: int = CELLS_PER_STAGE,
        image_channels: int = 3,
    ) -> None:
        layers: list[nn.Module] = [
            _Conv(image_channels, channels, 3),
            nn.BatchNorm2d(channels),
        ]
        for stage in range(STAGES):
            width = channels * 2**stage
            if stage:
                layers.append(Reduction(width // 2, width))
            layers += [CellBlock(operations, width) for _ in range(cells_per_stage)]
        width = channels * 2 ** (STAGES - 1)
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers, _Classifier(width, classes))
        self._draw_weights(seed)

    def _draw_weights(self, seed: int) -> None:
        for place, layer in cast("Iterator[tuple[str, nn.Module]]", self.named_modules()):
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                stream = np.random.SeedSequence([seed, zlib.crc32(place.encode())])
                _draw(layer, int(stream.generate_state(1, np.uint64)[0] >> 1))

    def scale_free_layers(self) -> frozenset[nn.Module]:
        """The convolutions that feed a batch norm and nothing else: their scale has no effect."""
        inner = [m[1] for m in self.modules() if isinstance(m, ReluConvBn)]
        return frozenset([self[0], *inner])


def _draw(layer: nn.Conv2d | nn.Linear, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    bound = layer.weight[0].numel() ** -0.5
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias):
            if tensor is not None:
                tensor.uniform_(-bound, bound, generator=generator)
