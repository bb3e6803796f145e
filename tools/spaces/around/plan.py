"""What of a network can be changed: found by tracing it, proved by cutting and running it."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.around.base import Base
from llm_nas.tools.spaces.around.blocks import droppable, kernels_of, residual, same
from llm_nas.tools.spaces.around.channels import Coupled, copied, coupled, gone, remove, silenced
from llm_nas.tools.spaces.around.fitted import at_scale, example, run, scaled_size
from llm_nas.tools.spaces.around.sizes import Layer, layers_of

SHARES = (1.0, 0.75, 0.5, 0.375, 0.25)
"""Of a stage's channels that may be kept."""
SCALES = (1.0, 0.75, 0.5)
"""Of the sides of images."""
MOST_STAGES = 32
"""More groups than this share choices where they are equally wide."""
_SMALLEST_SIDE = 12
_LEAST_CHANNELS = 4


def own_name(name: str) -> str:
    """A module's name without what stands before the base's own network."""
    return name.removeprefix("network.")


@dataclass(frozen=True, slots=True)
class Stage:
    """Groups of channels of equal width that one choice cuts."""

    name: str
    groups: tuple[Coupled, ...]
    keeps: tuple[int, ...]
    """Units that may be kept, the fewest first."""
    blocks: frozenset[str]
    """Blocks all of which hold all of it: dropped with any of them."""

    @property
    def unit(self) -> int:
        """Channels of a unit as a choice tells them; 1 where heads are counted."""
        group = self.groups[0]
        return 1 if group.heads else len(group.units[0])

    @property
    def words(self) -> str:
        """What the choice is, in the words of the field."""
        group = self.groups[0]
        what = "heads" if group.heads else "channels"
        others = f" and {len(self.groups) - 1} more" if len(self.groups) > 1 else ""
        return f"{what} kept of {own_name(group.heads[0] if group.heads else group.root)}{others}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that may be changed of one network for one shape of images."""

    stages: tuple[Stage, ...]
    blocks: tuple[str, ...]
    """Residual blocks that may be dropped, in order."""
    kernels: tuple[tuple[str, tuple[int, ...]], ...]
    """Convolutions whose kernels may be cut, with the sides."""
    scales: tuple[float, ...]
    layers: tuple[Layer, ...]
    parameters: int
    kept: tuple[str, ...]
    """Layers whose channels are never cut: the head and what is used more than once."""
    whole: tuple[str, ...]
    """What is kept whole, and why, one line each."""


def make_plan(base: Base, shape: TaskShape) -> Plan:
    """Trace a network and prove what can be cut.

    Raises:
        RequestError: It cannot be traced at all, or nothing of it can be changed.
    """
    network, images = base.network, example(shape)
    scales = tuple(s for s in SCALES if _runs_at(network, shape, s))
    layers, calls = layers_of(network, shape, scales)
    shared = [n for n in _tied(network) if n] + [n for n, c in calls.items() if c > 1]
    kept = tuple(dict.fromkeys([base.head, *shared]))
    whole = [f"{own_name(name)}: used more than once" for name in dict.fromkeys(shared)]
    order = {layer.name: place for place, layer in enumerate(layers)}
    groups = coupled(network, images, kept)
    groups.sort(key=lambda g: min(order.get(r.layer, len(order)) for r in g.reaches))
    proved, refused = _proved(network, images, groups)
    found = [b for b in residual(network, images) if not any(_in(s, b) for s in shared)]
    blocks = tuple(b for b in found if droppable(network, images, [b]))
    blocks = blocks if droppable(network, images, blocks) else ()
    refused += [
        f"{own_name(b)}: the network does not run without it" for b in found if b not in blocks
    ]
    stages = _stages(proved, blocks)
    kernels = tuple(kernels_of(network, set(shared)))
    plan = Plan(stages, blocks, kernels, scales, layers, _count(network), kept, (*whole, *refused))
    if not (stages or blocks or kernels or len(scales) > 1):
        reason = f": {plan.whole[0]}" if plan.whole else ""
        raise RequestError(f"{base.label}: nothing of it can be changed{reason}")
    return plan


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _in(name: str, block: str) -> bool:
    return name == block or name.startswith(f"{block}.")


def _tied(network: nn.Module) -> list[str]:
    """Modules that hold a parameter which another one holds as well."""
    holders: dict[int, list[str]] = {}
    for name, module in network.named_modules():
        for parameter in module.parameters(recurse=False):
            holders.setdefault(id(parameter), []).append(name)
    return [name for names in holders.values() if len(names) > 1 for name in names]


# Channels


def _proved(
    network: nn.Module, images: Tensor, groups: Sequence[Coupled]
) -> tuple[list[Coupled], list[str]]:
    """Groups whose cutting gives what silencing gives, and why others are kept whole."""
    able = [g for g in groups if len(_keeps(g)) > 1]
    wanted = tuple(run(network, images).shape)
    plain = [g for g in able if not g.mixing]
    trusted = plain if plain and _doubt(network, images, plain, wanted) is None else []
    proved: list[Coupled] = []
    refused: list[str] = []
    for group in able:
        reason = None if group in trusted else _doubt(network, images, [group], wanted)
        if reason is None:
            proved.append(group)
        else:
            refused.append(f"{own_name(group.root)}: {reason}")
    if proved and (reason := _doubt(network, images, proved, wanted)) is not None:
        return [], [*refused, *(f"{own_name(g.root)}: with the others: {reason}" for g in proved)]
    return proved, refused


def _doubt(
    network: nn.Module, images: Tensor, groups: Sequence[Coupled], wanted: tuple[int, ...]
) -> str | None:
    """Why groups cannot be cut together; None where they can."""
    cuts = [(g, gone(g, _keeps(g)[0], g.magnitude)) for g in groups]
    try:
        twin = copied(network)
        remove(twin, images, cuts)
        got = run(twin, images)
        if tuple(got.shape) != wanted:
            return "it is part of what comes out"
        mixing = any(group.mixing for group in groups)
        if mixing or same(got, run(silenced(network, images, cuts), images)):
            return None
        return "cutting it would compute something else"
    except Exception as error:  # noqa: BLE001 - what cannot be cut fails in many ways
        return f"cannot be cut: {' '.join(str(error).split())[:120]}"


def _keeps(group: Coupled) -> tuple[int, ...]:
    """Units that may be kept: the shares of a stage, never fewer than a handful of channels."""
    number, wide = len(group.units), len(group.units[0])
    least = 1 if group.heads else min(number, -(-_LEAST_CHANNELS // wide))
    even = 4 if number >= 32 else 1
    kept = {max(least, round(number * share / even) * even) for share in SHARES}
    return tuple(sorted({min(k, number) for k in kept} | {number}))


def _stages(groups: Sequence[Coupled], blocks: Sequence[str]) -> tuple[Stage, ...]:
    """One choice a group; where there are too many, one for all that are equally wide."""
    dealt: dict[Any, list[Coupled]] = {}
    for place, group in enumerate(groups):
        alike = (group.channels, len(group.units), bool(group.heads))
        dealt.setdefault(alike if len(groups) > MOST_STAGES else place, []).append(group)
    counts = {"w": 0, "h": 0}
    stages: list[Stage] = []
    for held in dealt.values():
        letter = "h" if held[0].heads else "w"
        counts[letter] += 1
        inside = [b for b in blocks if all(_inside(group, b) for group in held)]
        stages.append(
            Stage(f"{letter}{counts[letter]}", tuple(held), _keeps(held[0]), frozenset(inside))
        )
    return tuple(stages)


def _inside(group: Coupled, block: str) -> bool:
    return all(_in(reach.layer, block) for reach in group.reaches)


# Blocks, kernels, images


def _runs_at(network: nn.Module, shape: TaskShape, scale: float) -> bool:
    """Whether the network takes images of a scale; series are never resized."""
    if scale == 1.0:
        return True
    if shape.height == 1 or min(scaled_size(shape, network, scale)) < _SMALLEST_SIDE:
        return False
    try:
        logits = run(at_scale(network, shape, scale), example(shape))
    except Exception:  # noqa: BLE001 - networks of a fixed size refuse others in many ways
        return False
    return tuple(logits.shape) == (2, shape.classes)
