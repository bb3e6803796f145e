"""Partitions by name.

A space may bring partitions of its own; the first of them is its default. Elsewhere the default
is six parts of equal share by multiply-adds, or by what else tells large networks from small
ones. The others are controls.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from llm_nas.conditions import Anything, Condition, Count, Quantity, Relation, in_words
from llm_nas.domain import FloatArray, Niche
from llm_nas.errors import RequestError
from llm_nas.ports import Enumerable, SearchSpace
from llm_nas.tools.niches.partition import ConditionPartition

NAMES = ("none", "random", "count:GROUP=VALUE", "quantiles:QUANTITY[:K]")
PARTS = 6
SIZES = ("macs_m", "params_m", "size", "latency_ms")
"""Quantities by which niches are cut, the preferred first."""

_SAMPLED = 3000
_MOST_PARTS = 24


def open_partition(name: str | None, space: SearchSpace, seed: int = 0) -> ConditionPartition:
    """A partition of a space by name; None: the default of the space.

    `seed` draws the sample whose quantiles cut a space that cannot be listed. Runs that share
    claims about niches share it: a run's own seed does not belong here.
    """
    name = name or default_name(space)
    kind, _, rest = name.partition(":")
    own = own_partitions(space)
    if name in own:
        niches = list(own[name])
    elif name == "none":
        niches = [_niche("all", Anything(), "any network")]
    elif name == "random":
        cuts = [part / PARTS for part in range(1, PARTS)]
        niches = _ranges("draw", cuts, "R", "part of a random deal")
    elif kind == "count" and "=" in rest:
        niches = _by_count(space, *rest.split("=", 1))
    elif kind == "quantiles" and rest:
        niches = _by_quantiles(space, rest, seed)
    else:
        raise RequestError(f"partition {name!r}: expected {', '.join([*own, *NAMES])}")
    return ConditionPartition(name, space, niches)


def own_partitions(space: SearchSpace) -> Mapping[str, Sequence[Niche]]:
    """Niches that a space brings itself, by the name of the partition."""
    own: Mapping[str, Sequence[Niche]] = getattr(space, "partitions", {})
    return own


def default_name(space: SearchSpace) -> str:
    """The space's own first partition, else quantiles of a size, else one niche."""
    known = {q.name for q in space.quantities_info}
    sizes = [f"quantiles:{size}" for size in SIZES if size in known]
    return next(iter([*own_partitions(space), *sizes]), "none")


def _niche(niche: str, condition: Condition, rule: str = "") -> Niche:
    return Niche(id=niche, rule=rule or in_words(condition), condition=condition)


def _by_count(space: SearchSpace, group: str, text: str) -> list[Niche]:
    """One niche for every number of choices of a group that hold a value."""
    if group not in space.groups:
        known = ", ".join(space.groups) or "none"
        raise RequestError(f"partition count: no group {group!r}; groups of {space.name}: {known}")
    members = [c for c in space.choices if c.name in space.groups[group]]
    values = {str(v): v for c in members for v in c.values}
    if text not in values:
        raise RequestError(f"partition count: {group} can be {', '.join(values)}, not {text!r}")
    value = values[text]
    able = sum(value in c.values for c in members)
    least = sum(c.values == (value,) and c.active_when is None for c in members)
    niches: list[Niche] = []
    for number in range(least, min(able, least + _MOST_PARTS - 1) + 1):
        last = number == least + _MOST_PARTS - 1 and number < able
        relation: Relation = "ge" if last else "eq"
        counted = Count(group=group, values=(value,), relation=relation, count=number)
        niches.append(_niche(f"N{number}", counted))
    return niches


def _by_quantiles(space: SearchSpace, wanted: str, seed: int) -> list[Niche]:
    """Parts of equal share by a quantity: of all members, or of a sample."""
    name, _, parts = wanted.rpartition(":")
    if not name or not parts.isdecimal():
        name, parts = wanted, str(PARTS)
    if name not in {q.name for q in space.quantities_info}:
        known = ", ".join(q.name for q in space.quantities_info)
        raise RequestError(f"partition quantiles: {space.name} knows {known}, not {name!r}")
    if not 2 <= int(parts) <= _MOST_PARTS:
        raise RequestError(f"partition quantiles: 2 to {_MOST_PARTS} parts, got {parts}")
    numbers = _numbers(space, name, seed)
    shares = np.arange(1, int(parts)) / int(parts)
    cuts = sorted({float(f"{cut:.6g}") for cut in np.quantile(numbers, shares, method="higher")})
    return _ranges(name, [cut for cut in cuts if cut > numbers.min()], "Q")


def _numbers(space: SearchSpace, quantity: str, seed: int) -> FloatArray:
    if isinstance(space, Enumerable):
        archs = list(space)
    else:
        rng = np.random.default_rng(seed)
        archs = [space.sample(rng) for _ in range(_SAMPLED)]
    return space.quantities(archs)[quantity]


def _ranges(quantity: str, cuts: list[float], letter: str, rule: str = "") -> list[Niche]:
    """Half-open ranges of a quantity between cuts, without end at both ends."""
    bounds = [None, *cuts, None]
    return [
        _niche(f"{letter}{i}", Quantity(name=quantity, low=low, high=high), rule)
        for i, (low, high) in enumerate(pairwise(bounds))
    ]
