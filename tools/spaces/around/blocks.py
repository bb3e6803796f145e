"""Residual blocks that may be dropped, and kernels that may be cut."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from llm_nas.tools.spaces.around.channels import copied
from llm_nas.tools.spaces.around.fitted import run

_TOLERANCE = 1e-4
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


def residual(network: nn.Module, images: Tensor) -> Iterator[str]:
    """The innermost blocks that add to what they are given, in order."""
    seen = _shapes(network, images)

    def walk(name: str, module: nn.Module) -> Iterator[str]:
        inner = [
            found
            for child, part in module.named_children()
            for found in walk(f"{name}.{child}" if name else child, part)
        ]
        if len(inner) < 2 and name in seen and _adds(module, seen[name]):
            yield name
        else:
            yield from inner

    yield from walk("", network)


class Skipped(nn.Module):
    """What stands where a block was: hands on what it is given."""

    def forward(self, given: Tensor, *_: Any, **__: Any) -> Tensor:
        """The input, whatever else comes with it."""
        return given


def dropped(network: nn.Module, block: str) -> None:
    """Take a block out, in place."""
    parent, _, last = block.rpartition(".")
    setattr(network.get_submodule(parent), last, Skipped())


def droppable(network: nn.Module, images: Tensor, blocks: Sequence[str]) -> bool:
    """Whether a network runs without some blocks."""
    twin = copied(network)
    for block in blocks:
        dropped(twin, block)
    try:
        return run(twin, images).shape == run(network, images).shape
    except Exception:  # noqa: BLE001 - whatever it says, it does not run
        return False


def _shapes(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Inputs of modules that are called once, with one tensor, and give one of its shape."""
    calls: dict[str, list[tuple[Any, Any]]] = {}
    hooks = [
        module.register_forward_hook(
            lambda _m, given, out, name=name: calls.setdefault(name, []).append((given, out))
        )
        for name, module in network.named_modules()
        if name and any(p.ndim > 1 for p in module.parameters())
    ]
    try:
        run(network, images)
    finally:
        for hook in hooks:
            hook.remove()
    once = {name: held[0] for name, held in calls.items() if len(held) == 1}
    return {
        name: given[0]
        for name, (given, out) in once.items()
        if len(given) == 1
        and isinstance(given[0], Tensor)
        and isinstance(out, Tensor)
        and given[0].shape == out.shape
    }


def _adds(module: nn.Module, given: Tensor) -> bool:
    """Whether a module without weights hands on its input, and not a part of it.

    A chain of layers gives a constant then; a gate gives a share of what it is given.
    """
    twin = copied(module)
    with torch.no_grad():
        for part in twin.modules():
            if isinstance(part, (*_CONVOLUTIONS, nn.Linear, nn.MultiheadAttention)):
                for parameter in part.parameters():
                    parameter.zero_()
        first, second = run(twin, given), run(twin, given + 1.0 + given.abs())
    follows = float((first - second).abs().max()) > 1e-3
    moved = (1.0 + given.abs()).flatten()
    share = float(((second - first).flatten() @ moved) / (moved @ moved))
    gated = 0.02 < share < 0.98 and same(second - first, share * (1.0 + given.abs()))
    return follows and not gated


def kernels_of(network: nn.Module, shared: set[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Odd, square, padded kernels of 5 and more: their middle computes on the same places."""
    for name, module in network.named_modules():
        if not isinstance(module, _CONVOLUTIONS) or name in shared:
            continue
        side = module.kernel_size[0]
        plain = all(k == side for k in module.kernel_size) and all(d == 1 for d in module.dilation)
        padded = not isinstance(module.padding, str) and all(
            p == side // 2 for p in module.padding
        )
        if side % 2 and side >= 5 and plain and padded:
            yield name, tuple(range(3, side + 1, 2))


def cropped(layer: nn.Conv1d | nn.Conv2d, side: int) -> None:
    """Keep the middle of a convolution's kernels, in place."""
    edge = (layer.kernel_size[0] - side) // 2
    for axis in range(2, layer.weight.ndim):
        layer.weight = nn.Parameter(layer.weight.detach().narrow(axis, edge, side).clone())
    layer.kernel_size = (side,) * (layer.weight.ndim - 2)
    layer.padding = (side // 2,) * (layer.weight.ndim - 2)


def same(first: Tensor, second: Tensor) -> bool:
    """Whether two networks said the same, but for rounding."""
    scale = max(1.0, float(second.abs().max()))
    return (
        bool(torch.isfinite(first).all())
        and float((first - second).abs().max()) / scale < _TOLERANCE
    )
