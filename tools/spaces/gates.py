"""Which choices are active, and how many architectures that leaves."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from llm_nas.choices import Choice
from llm_nas.conditions import Condition, Facts, Value, matches
from llm_nas.tools.spaces.legal import asked_for

Values: TypeAlias = Mapping[str, Value]
"""Value of every active choice, by name."""
Gate: TypeAlias = Callable[[Values], bool] | None
"""Whether a choice is active, given the active ones before it; None: always."""
Groups: TypeAlias = Mapping[str, tuple[str, ...]]

_LISTED = 20_000


def gate_of(condition: Condition | None, groups: Groups) -> Gate:
    """Decides a condition, remembering the answer for the values that it asks about."""
    if condition is None:
        return None
    asked = asked_for(condition, groups)

    @lru_cache(maxsize=4096)
    def decide(held: tuple[Value | None, ...]) -> bool:
        values = {n: v for n, v in zip(asked, held, strict=True) if v is not None}
        return matches(condition, Facts(values, groups))

    return lambda values: decide(tuple(map(values.get, asked)))


def kin(choices: Sequence[Choice], groups: Groups) -> list[list[int]]:
    """Places of earlier choices of the same group and values, nearest first, for every choice."""
    place = {choice.name: i for i, choice in enumerate(choices)}
    found: list[list[int]] = [[] for _ in choices]
    for members in groups.values():
        for later, name in enumerate(members):
            for earlier in reversed(members[:later]):
                if choices[place[earlier]].values == choices[place[name]].values:
                    found[place[name]].append(place[earlier])
    return found


def log10_size(choices: Sequence[Choice], gates: Sequence[Gate], groups: Groups) -> float:
    """Decimal logarithm of the number of members.

    Exact where the choices that others ask about have few joint values; else as if all choices
    were always active.
    """
    conditions = [c.active_when for c in choices if c.active_when is not None]
    asked = {name for condition in conditions for name in asked_for(condition, groups)}
    asking = [c for c in choices if c.name in asked]
    if math.prod(len(c.values) for c in asking) > _LISTED:
        return sum(math.log10(len(c.values)) for c in choices)
    parts: dict[tuple[tuple[str, Value], ...], float] = {}
    for held in product(*(c.values for c in asking)):
        settled = {c.name: v for c, v in zip(asking, held, strict=True)}
        values, free = _settled(choices, gates, settled)
        parts[tuple(values.items())] = free
    most = max(parts.values())
    return most + math.log10(sum(10 ** (part - most) for part in parts.values()))


def _settled(
    choices: Sequence[Choice], gates: Sequence[Gate], settled: Values
) -> tuple[Values, float]:
    """The active ones of the settled choices, and log10 of what the others leave open."""
    values: dict[str, Value] = {}
    free = 0.0
    for choice, gate in zip(choices, gates, strict=True):
        if gate is not None and not gate(values):
            continue
        if choice.name in settled:
            values[choice.name] = settled[choice.name]
        else:
            free += math.log10(len(choice.values))
    return values, free
