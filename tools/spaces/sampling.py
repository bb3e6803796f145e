"""Random members of a part of a space: rejection first, then repair toward the condition.

Repair changes a choice or two at a time and keeps what does not lead away from the condition,
measured by how far a quantity lies outside its range and by how many a count is off. It finds
parts far too small for rejection in spaces far too large to list; its draws are not uniform.
"""

from typing import Protocol, assert_never

import numpy as np

from llm_nas.conditions import (
    AllOf,
    AnyOf,
    Anything,
    Bound,
    Condition,
    Count,
    Facts,
    Is,
    Not,
    Quantity,
    in_words,
    matches,
)
from llm_nas.domain import Arch
from llm_nas.errors import RequestError

_REJECTIONS = 100
_CLIMBS = 10
_STEPS = 400
_JUST_OUTSIDE = 1e-9


class Mutable(Protocol):
    """What sampling needs of a space."""

    @property
    def name(self) -> str:
        """For the error where nothing is found."""
        ...

    def sample(self, rng: np.random.Generator) -> Arch:
        """A random member."""
        ...

    def mutate(self, arch: Arch, rng: np.random.Generator, changes: int = 1) -> Arch:
        """A member with some random choices changed."""
        ...

    def facts(self, arch: Arch) -> Facts:
        """What conditions may ask of a member."""
        ...


def sample_within(space: Mutable, within: Condition, rng: np.random.Generator) -> Arch:
    """A random member that meets the condition; `RequestError` where none is found."""
    starts: list[tuple[float, Arch]] = []
    for _ in range(_REJECTIONS):
        arch = space.sample(rng)
        far = distance(within, space.facts(arch))
        if far == 0:
            return arch
        starts.append((far, arch))
    starts.sort(key=lambda start: start[0])
    for far, arch in starts[:_CLIMBS]:
        found = _climb(space, within, arch, far, rng)
        if found is not None:
            return found
    raise RequestError(f"space {space.name}: found no network with {in_words(within)}")


def _climb(
    space: Mutable, within: Condition, arch: Arch, far: float, rng: np.random.Generator
) -> Arch | None:
    """Walk from `arch`, `far` away, toward the condition; None when it is not reached."""
    for _ in range(_STEPS):
        child = space.mutate(arch, rng, changes=int(rng.integers(1, 4)))
        now = distance(within, space.facts(child))
        if now <= far:
            arch, far = child, now
        if far == 0:
            return arch
    return None


def distance(condition: Condition, facts: Facts) -> float:
    """How far an architecture is from meeting a condition: 0 exactly where it does."""
    match condition:
        case AllOf(parts=parts):
            return sum(distance(p, facts) for p in parts)
        case AnyOf(parts=parts):
            return min(distance(p, facts) for p in parts)
        case Quantity():
            return _outside(condition, facts)
        case Count():
            return _off(condition, facts)
        case Anything() | Is() | Bound() | Not():
            return 0.0 if matches(condition, facts) else 1.0
        case _:
            assert_never(condition)


def _outside(wanted: Quantity, facts: Facts) -> float:
    """Distance from the range, in shares of the larger of the number and the bound."""
    number = facts.quantities.get(wanted.name)
    if number is None:
        return 1.0
    for bound, beyond in ((wanted.low, -1.0), (wanted.high, 1.0)):
        if bound is None:
            continue
        gap = (number - bound) * beyond
        if gap > 0 or (gap == 0 and beyond > 0):
            return gap / max(abs(number), abs(bound), 1e-12) + _JUST_OUTSIDE
    return 0.0


def _off(wanted: Count, facts: Facts) -> float:
    """By how many choices a count is wrong."""
    held = [facts.values.get(name) for name in facts.groups.get(wanted.group, ())]
    surplus = sum(value in wanted.values for value in held) - wanted.count
    if wanted.relation == "ge":
        return float(max(-surplus, 0))
    return float(max(surplus, 0) if wanted.relation == "le" else abs(surplus))
