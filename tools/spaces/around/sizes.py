"""Parameters and multiply-adds of a member, from numbers of channels alone."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from llm_nas.domain import TaskShape
from llm_nas.tools.spaces.around.fitted import Fitted, at_scale, example, run

_CONVOLUTIONS = (nn.modules.conv._ConvNd,)
_VECTORS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.PReLU,
)
_SQUARE = -1
_FOLLOWS = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """What a layer costs, as a function of its channels."""

    name: str
    out: int
    inn: int
    groups: int
    """Of a convolution; `_FOLLOWS`: each output has one input; `_SQUARE`: inputs are outputs."""
    pair: int
    """Weights of a pair of channels: the kernel's area; 0 for layers without pairs."""
    each: float
    """Parameters of every output channel."""
    positions: tuple[int, ...]
    """Places of an image it computes, at every scale; all 0 where it is never called."""

    def pairs(self, out: float, inn: float) -> float:
        """Pairs of channels that are multiplied."""
        if self.groups == _FOLLOWS:
            return out
        return out * out if self.groups == _SQUARE else out * inn / self.groups

    def parameters(self, out: float, inn: float, pair: int) -> float:
        """Numbers it learns."""
        return pair * self.pairs(out, inn) + self.each * out

    def macs(self, out: float, inn: float, pair: int, scale: int) -> float:
        """Multiply-adds of an image; those of attention's products are not among them."""
        return self.positions[scale] * pair * self.pairs(out, inn)


def layers_of(
    network: nn.Module, shape: TaskShape, scales: tuple[float, ...]
) -> tuple[tuple[Layer, ...], Mapping[str, int]]:
    """Layers with weights, in the order in which they are called, and how often each is."""
    places: dict[str, list[int]] = {}
    calls: dict[str, int] = {}
    for scale in scales:
        seen = _positions(at_scale(network, shape, scale), shape, network)
        for name, (number, count) in seen.items():
            places.setdefault(name, []).append(number)
            calls[name] = count
    names = dict(network.named_modules())
    attention = {n for n, m in names.items() if isinstance(m, nn.MultiheadAttention)}
    order = [*places, *(n for n in names if n not in places)]
    nothing = [0] * len(scales)
    layers = [
        layer
        for name in order
        if name.rpartition(".")[0] not in attention
        and (layer := _layer(name, names[name], tuple(places.get(name, nothing)))) is not None
    ]
    known = {layer.name for layer in layers}
    for name, parameter in network.named_parameters():
        owner = name.rpartition(".")[0]
        if owner not in known and owner.rpartition(".")[0] not in attention:
            wide = _last_side(parameter)
            layers.append(Layer(name, wide, wide, 1, 0, parameter.numel() / wide, tuple(nothing)))
    return tuple(layers), calls


def _last_side(parameter: Tensor) -> int:
    """The dimension that is cut of a parameter outside of layers: the last above 1."""
    sides = [side for side in parameter.shape if side > 1]
    return sides[-1] if sides else 1


def _positions(
    network: nn.Module, shape: TaskShape, original: nn.Module
) -> dict[str, tuple[int, int]]:
    names = {module: name for name, module in original.named_modules()}
    seen: dict[str, tuple[int, int]] = {}

    def note(module: nn.Module, _given: Any, out: Any) -> None:
        result = out[0] if isinstance(out, tuple) else out
        if not isinstance(result, Tensor):
            return
        number = result.numel() // max(1, channels(module)[0]) if channels(module)[0] else 0
        before = seen.get(names[module], (0, 0))
        seen[names[module]] = (before[0] + number, before[1] + 1)

    parts = [m for m in network.modules() if m in names and not isinstance(m, Fitted)]
    hooks = [m.register_forward_hook(note) for m in parts if _own(m)]
    try:
        with torch.no_grad():
            run(network, example(shape, 1))
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _own(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def channels(module: nn.Module) -> tuple[int, int]:
    """Output and input channels of a layer; (0, 0) for what is no known layer."""
    if isinstance(module, _CONVOLUTIONS):
        return module.out_channels, module.in_channels
    if isinstance(module, nn.Linear):
        return module.out_features, module.in_features
    if isinstance(module, nn.MultiheadAttention):
        return module.embed_dim, module.embed_dim
    weight = getattr(module, "weight", None)
    if isinstance(module, _VECTORS) and isinstance(weight, Tensor):
        return weight.shape[-1], weight.shape[-1]
    return 0, 0


def _layer(name: str, module: nn.Module, positions: tuple[int, ...]) -> Layer | None:
    out, inn = channels(module)
    if out == 0 or not _own(module):
        return None
    own = sum(p.numel() for p in module.parameters())
    groups, pair = 1, 0
    if isinstance(module, _CONVOLUTIONS):
        depthwise = module.groups > 1 and module.groups == out == inn
        groups, pair = (_FOLLOWS if depthwise else module.groups), prod(module.kernel_size)
    elif isinstance(module, nn.Linear):
        pair = 1
    elif isinstance(module, nn.MultiheadAttention):
        groups, pair = _SQUARE, 4
    bare = Layer(name, out, inn, groups, pair, 0.0, positions)
    return Layer(name, out, inn, groups, pair, (own - bare.parameters(out, inn, pair)) / out,
                 positions)  # fmt: skip
