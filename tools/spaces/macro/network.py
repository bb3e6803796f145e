"""Torch modules of plans."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_nas.tools.spaces.macro import plan as plans
from llm_nas.tools.spaces.macro.plan import Node, Plan

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "swish": nn.SiLU,
    "hswish": nn.Hardswish,
    "gelu": nn.GELU,
}


def network(plan: Plan) -> nn.Sequential:
    """The untrained module of a plan; torch's random state seeds its weights."""
    return nn.Sequential(*(_module(node) for node in plan))


def _module(node: Node) -> nn.Module:
    match node:
        case plans.Conv():
            return nn.Conv2d(
                node.c_in,
                node.c_out,
                node.kernel,
                stride=node.stride,
                padding=node.kernel // 2,
                groups=node.groups,
                bias=node.bias,
            )
        case plans.Norm(channels=c, layer=layer):
            return nn.GroupNorm(1, c) if layer else nn.BatchNorm2d(c)
        case plans.Act(name=name):
            return _ACTIVATIONS[name]()
        case plans.SqueezeExcite():
            return Excitation(node)
        case plans.Attention():
            return SelfAttention(node)
        case plans.Shuffle(groups=groups):
            return Shuffled(groups)
        case plans.Resize():
            return Resized(node.height, node.width)
        case plans.Classifier(channels=c, classes=n):
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, n))
        case plans.Add() | plans.Cat() | plans.Grow():
            return Branches(node)


class Branches(nn.Module):
    """Sums, concatenations and growth of branches, `(n, c, h, w)` to `(n, c', h', w')`."""

    def __init__(self, node: plans.Add | plans.Cat | plans.Grow) -> None:
        super().__init__()
        held = (node.first, node.more) if isinstance(node, plans.Grow) else node.branches
        self.parts = nn.ModuleList(network(part) for part in held)
        self._kind = type(node)
        self._split = list(node.split) if isinstance(node, plans.Cat) else []

    def forward(self, x: Tensor) -> Tensor:
        """Run the branches and join them."""
        if self._kind is plans.Grow:
            first = self.parts[0](x)
            return torch.cat([first, self.parts[1](first)], dim=1)
        inputs = list(torch.split(x, self._split, dim=1)) if self._split else None
        outputs: list[Tensor] = [
            part(x if inputs is None else inputs[i]) for i, part in enumerate(self.parts)
        ]
        if self._kind is plans.Cat:
            return torch.cat(outputs, dim=1)
        total = outputs[0]
        for output in outputs[1:]:
            total = total + output
        return total


class Shuffled(nn.Module):
    """Deals channels of groups in turn; keeps the shape. Torch's own is not exported to ONNX."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self._groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Reorder channels."""
        apart = torch.unflatten(x, 1, (self._groups, -1))
        return torch.flatten(apart.transpose(1, 2), 1, 2)


class Excitation(nn.Module):
    """Squeeze-and-excitation; keeps the shape."""

    def __init__(self, node: plans.SqueezeExcite) -> None:
        super().__init__()
        self.scales = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(node.channels, node.hidden, 1),
            _ACTIVATIONS[node.activation](),
            nn.Conv2d(node.hidden, node.channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale channels."""
        scales: Tensor = self.scales(x)
        return x * scales


class SelfAttention(nn.Module):
    """Multi-head self-attention over places; keeps the shape."""

    def __init__(self, node: plans.Attention) -> None:
        super().__init__()
        self._heads = node.heads
        self.inputs = nn.Linear(node.channels, 3 * node.channels)
        self.output = nn.Linear(node.channels, node.channels)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c, h, w)` to the same shape."""
        n, c, h, w = x.shape
        places = x.flatten(2).transpose(1, 2)
        parts: Tensor = self.inputs(places).reshape(n, h * w, 3, self._heads, c // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.output(seen.transpose(1, 2).reshape(n, h * w, c))
        return mixed.transpose(1, 2).reshape(n, c, h, w)


class Resized(nn.Module):
    """Images at another size, bilinear."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self._size = (height, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c, h, w)` to `(n, c, height, width)`."""
        return functional.interpolate(x, size=self._size, mode="bilinear", align_corners=False)
