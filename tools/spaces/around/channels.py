"""Channels that must be cut together, and their cutting: torch-pruning's dependency graph."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

import copy
import io
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from math import lcm
from typing import Any, Literal

import torch
import torch_pruning  # type: ignore[import-untyped]
from torch import Tensor, nn

from llm_nas.errors import RequestError

ROOTS = (nn.modules.conv._ConvNd, nn.Linear)
"""Layers whose output channels are cut; what follows from it is torch-pruning's business."""
HEADS = ("num_heads", "n_heads", "nhead", "heads", "n_head", "num_attention_heads")
_MIXING = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.MultiheadAttention, nn.LocalResponseNorm)
"""Layers that compute from all channels at once: without some, the others change."""

Side = Literal["out", "in"]


@dataclass(frozen=True, slots=True)
class Reach:
    """A layer that loses channels with a group."""

    layer: str
    side: Side
    times: float
    """Channels lost there for each one of the group."""


@dataclass(frozen=True, slots=True)
class Coupled:
    """Output channels of a layer, with everything that must go where they go."""

    root: str
    channels: int
    units: tuple[tuple[int, ...], ...]
    """Channels that only go together: one each, one of every part, or an attention head."""
    heads: tuple[str, ...]
    """Attention modules whose number of heads follows; the units are heads then."""
    reaches: tuple[Reach, ...]
    mixing: bool
    """Whether a layer computes from all of its channels at once."""
    magnitude: tuple[float, ...]
    """Importance of every channel by the norm of its weights."""


@contextmanager
def quietly() -> Generator[None]:
    """torch-pruning warns of what it guesses; what it guesses wrongly is found out by running."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def copied(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, all of whose weights have gradients: tracing needs them."""
    twin = copy.deepcopy(network).eval()
    for parameter in twin.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return twin


def _graph(network: nn.Module, images: Tensor) -> Any:
    with quietly(), torch.enable_grad():
        graph: Any = torch_pruning.DependencyGraph()
        return graph.build_dependency(network, example_inputs=images, verbose=False)


def coupled(network: nn.Module, images: Tensor, kept: Iterable[str]) -> list[Coupled]:
    """All groups of channels, but those of `kept` layers, in the order of the network.

    Raises:
        RequestError: The network cannot be traced.
    """
    twin = copied(network)
    names = {module: name for name, module in twin.named_modules()}
    ignored = [twin.get_submodule(name) for name in kept]
    try:
        graph = _graph(twin, images)
        with quietly():
            groups = list(graph.get_all_groups(ignored_layers=ignored, root_module_types=ROOTS))
            return [found for g in groups if (found := _described(graph, g, names)) is not None]
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise RequestError(f"{type(network).__name__} cannot be traced: {text}") from error


def _described(graph: Any, group: Any, names: Mapping[nn.Module, str]) -> Coupled | None:
    root = group[0].dep.target.module
    channels = len(group[0].idxs)
    reaches: dict[tuple[str, Side], Reach] = {}
    parts, mixing = 1, False
    for item in group:
        module = item.dep.target.module
        name = names.get(module) if isinstance(module, nn.Module) else graph._param_to_name[module]
        if name is None:
            continue
        side = _side(graph, item.dep.handler, module)
        reaches[name, side] = Reach(name, side, len(item.idxs) / channels)
        parts = lcm(parts, _parts(module))
        mixing = mixing or isinstance(module, _MIXING)
    if channels % parts:
        return None
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    scores = _listed(importance(group), channels)
    owners = _attention(list(reaches.values()), names)
    units = _head_units(owners, channels) or _part_units(channels, parts)
    return Coupled(
        root=names[root],
        channels=channels,
        units=units,
        heads=tuple(names[m] for m in owners),
        reaches=tuple(reaches.values()),
        mixing=mixing,
        magnitude=scores,
    )


def _listed(scores: Tensor | None, channels: int) -> tuple[float, ...]:
    """Scores of every channel; all equal where a library finds no weights that are theirs."""
    known = scores is not None and scores.shape == (channels,)
    return tuple(scores.tolist()) if known and scores is not None else (1.0,) * channels


def _side(graph: Any, handler: Any, module: Any) -> Side:
    if isinstance(module, nn.modules.conv._ConvNd) and _depthwise(module):
        return "out"
    return "out" if graph.is_out_channel_pruning_fn(handler) else "in"


def _depthwise(module: nn.modules.conv._ConvNd) -> bool:
    return module.groups > 1 and module.groups == module.out_channels == module.in_channels


def _parts(module: Any) -> int:
    """Parts that must stay equal: groups of a convolution or norm, heads of an attention."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return 1 if _depthwise(module) else module.groups
    if isinstance(module, nn.GroupNorm):
        return module.num_groups
    return module.num_heads if isinstance(module, nn.MultiheadAttention) else 1


def _attention(reaches: Sequence[Reach], names: Mapping[nn.Module, str]) -> list[nn.Module]:
    """The module with a number of heads whose queries, keys and values these channels are."""
    roots = [r.layer for r in reaches if r.side == "out"]
    owners = [
        module
        for module, name in names.items()
        if heads_of(module) is not None
        and not isinstance(module, nn.MultiheadAttention)
        and all(layer.startswith(f"{name}." if name else "") for layer in roots)
    ]
    return owners[-1:] if len(roots) >= 3 else []


def heads_of(module: nn.Module) -> tuple[str, int] | None:
    """The attribute that tells a module's number of heads, and the number."""
    for name in HEADS:
        number = getattr(module, name, None)
        if isinstance(number, int) and number > 1:
            return name, number
    return None


def _head_units(owners: Sequence[nn.Module], channels: int) -> tuple[tuple[int, ...], ...]:
    if not owners:
        return ()
    found = heads_of(owners[0])
    if found is None or channels % found[1]:
        return ()
    wide = channels // found[1]
    return tuple(tuple(range(h * wide, (h + 1) * wide)) for h in range(found[1]))


def _part_units(channels: int, parts: int) -> tuple[tuple[int, ...], ...]:
    wide = channels // parts
    return tuple(tuple(p * wide + place for p in range(parts)) for place in range(wide))


def gone(group: Coupled, keep: int, scores: Sequence[float]) -> list[int]:
    """Channels of the units that count least, so that `keep` units stay."""
    worth = [sum(scores[c] for c in unit) for unit in group.units]
    order = sorted(range(len(worth)), key=lambda u: (worth[u], u))
    return sorted(c for u in order[: len(worth) - keep] for c in group.units[u])


def remove(network: nn.Module, images: Tensor, cuts: Sequence[tuple[Coupled, list[int]]]) -> None:
    """Take channels out, in place, and tell attention modules how many heads are left."""
    graph = _graph(network, images)
    for group, channels in cuts:
        if not channels:
            continue
        layer = network.get_submodule(group.root)
        pruner = graph.get_pruner_of_module(layer)
        with quietly():
            graph.get_pruning_group(layer, pruner.prune_out_channels, channels).prune()
        left = len(group.units) - len(channels) // len(group.units[0])
        for name in group.heads:
            owner = network.get_submodule(name)
            found = heads_of(owner)
            if found is not None:
                setattr(owner, found[0], left)
    for parameter in network.parameters():
        parameter.grad = None


def silenced(
    network: nn.Module, images: Tensor, cuts: Sequence[tuple[Coupled, list[int]]]
) -> nn.Module:
    """A copy whose channels are there but say nothing: what cutting them must be equal to."""
    twin = copied(network)
    graph = _graph(twin, images)
    for group, channels in cuts:
        layer = twin.get_submodule(group.root)
        pruner = graph.get_pruner_of_module(layer)
        with quietly(), torch.no_grad():
            for item in graph.get_pruning_group(layer, pruner.prune_out_channels, channels):
                node = item.dep.target
                side = _side(graph, item.dep.handler, node.module)
                _silence(node.module, list(item.idxs), side, getattr(node, "pruning_dim", None))
    return twin


def _silence(module: Any, idxs: list[int], side: Side, dim: int | None) -> None:
    if isinstance(module, nn.Parameter):
        module.index_fill_(module.ndim - 1 if dim is None else dim, torch.tensor(idxs), 0.0)
        return
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.modules.conv._ConvNd) and side == "in" and module.groups > 1:
        return
    transposed = bool(getattr(module, "transposed", False))
    axis = int((side == "in") != transposed)
    if isinstance(weight, nn.Parameter) and weight.ndim > axis:
        weight.index_fill_(axis, torch.tensor(idxs), 0.0)
    for name in ("bias", "running_mean"):
        held = getattr(module, name, None)
        if isinstance(held, Tensor) and side == "out":
            held.index_fill_(0, torch.tensor(idxs), 0.0)


def by_taylor(network: nn.Module, images: Tensor, batches: Iterable[tuple[Tensor, Tensor]],
              kept: Iterable[str]) -> dict[str, list[float]]:  # fmt: skip
    """By root: how much the loss is expected to change without a channel, to first order."""
    twin = copied(network)
    graph = _graph(twin, images)
    names = {module: name for name, module in twin.named_modules()}
    twin.eval().zero_grad()
    with torch.enable_grad():
        for inputs, labels in batches:
            nn.functional.cross_entropy(twin(inputs), labels).backward()  # type: ignore[no-untyped-call]
    importance = torch_pruning.importance.GroupTaylorImportance()
    ignored = [twin.get_submodule(name) for name in kept]
    with quietly():
        groups = graph.get_all_groups(ignored_layers=ignored, root_module_types=ROOTS)
        return {
            names[g[0].dep.target.module]: list(_listed(importance(g), len(g[0].idxs)))
            for g in groups
        }
