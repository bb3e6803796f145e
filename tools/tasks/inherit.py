"""Weights taken over from a trained relative: layers copied where they fit, channels sliced.

Layers of the two networks are matched in order, like two texts: a pair must be of one kind, and
pairs of similar shape are preferred. So blocks may be missing on either side, in any space.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_KINDS = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.GroupNorm)


def inherit(network: nn.Module, relative: nn.Module) -> float:
    """Copy what fits of `relative`'s weights into `network`; the share of weights it got.

    Tensors are cut at their first channels; kernels at their centres. What the relative does not
    have keeps its random weights.
    """
    mine, theirs = _layers(network), _layers(relative)
    taken = 0
    for i, j in _matched(mine, theirs):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if _held(mine[i], name) and _held(theirs[j], name):
                copied = _copied(getattr(mine[i], name), getattr(theirs[j], name))
                taken += 0 if name.startswith("running") else copied
    return taken / max(1, sum(p.numel() for p in network.parameters()))


def _layers(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, _KINDS)]


def _held(layer: nn.Module, name: str) -> bool:
    return isinstance(getattr(layer, name, None), Tensor)


def _likeness(mine: nn.Module, theirs: nn.Module) -> float:
    """0 where layers cannot stand for each other, else up to 1: overlap of their shapes."""
    if type(mine) is not type(theirs) or not _held(mine, "weight") or not _held(theirs, "weight"):
        return 0.0
    if isinstance(mine, nn.Conv2d) and isinstance(theirs, nn.Conv2d):
        alike = mine.stride == theirs.stride and (mine.groups > 1) == (theirs.groups > 1)
        if not alike or (mine.kernel_size[0] > 1) != (theirs.kernel_size[0] > 1):
            return 0.0
    likeness = 1.0
    for one, other in zip(_shape(mine), _shape(theirs), strict=True):
        likeness *= min(one, other) / max(one, other)
    return float(likeness**0.5)


def _shape(layer: nn.Module) -> tuple[int, ...]:
    return tuple(int(side) for side in layer.get_parameter("weight").shape)


def _matched(mine: Sequence[nn.Module], theirs: Sequence[nn.Module]) -> list[tuple[int, int]]:
    """Pairs of positions, both rising, of the greatest total likeness (an alignment)."""
    best = [[0.0] * (len(theirs) + 1) for _ in range(len(mine) + 1)]
    for i, one in enumerate(mine, start=1):
        for j, other in enumerate(theirs, start=1):
            best[i][j] = max(
                best[i - 1][j], best[i][j - 1], best[i - 1][j - 1] + _likeness(one, other)
            )
    pairs: list[tuple[int, int]] = []
    i, j = len(mine), len(theirs)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _copied(mine: Tensor, theirs: Tensor) -> int:
    """Copy the common part in place; how many numbers that were."""
    places = [_common(a, b, centred=axis > 1) for axis, (a, b) in
              enumerate(zip(mine.shape, theirs.shape, strict=True))]  # fmt: skip
    into, out_of = tuple(p[0] for p in places), tuple(p[1] for p in places)
    with torch.no_grad():
        mine[into] = theirs[out_of]
    return int(mine[into].numel())


def _common(mine: int, theirs: int, *, centred: bool) -> tuple[slice, slice]:
    shared = min(mine, theirs)
    first, other = ((mine - shared) // 2, (theirs - shared) // 2) if centred else (0, 0)
    return slice(first, first + shared), slice(other, other + shared)
