"""What it takes to make a network meet a condition: the smallest legal edit.

Works in any space through `SearchSpace` alone: candidates are members with one choice changed,
and only choices that the condition speaks of are tried where it names some.
"""

from collections.abc import Callable, Iterator

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
    leaves,
    matches,
)
from llm_nas.domain import Arch
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace

MOST_EDITS = 8
"""Choices changed in a row before a network is given up."""


def predicate(space: SearchSpace, condition: Condition) -> Callable[[Arch], bool]:
    """Decides the condition for texts of a space; asks for no quantity it does not need."""
    facts = _facts_of(space, condition)
    return lambda arch: matches(condition, facts(arch))


def _facts_of(space: SearchSpace, condition: Condition) -> Callable[[Arch], Facts]:
    if any(isinstance(leaf, Quantity) for leaf, _ in leaves(condition)):
        return space.facts
    groups = space.groups
    return lambda arch: Facts(space.values(arch), groups)


def names_in(space: SearchSpace, condition: Condition) -> frozenset[str] | None:
    """Choices a condition speaks of; None when it speaks of a quantity, thus of all."""
    names: set[str] = set()
    for leaf, _ in leaves(condition):
        match leaf:
            case Is() | Bound():
                names.add(leaf.choice)
            case Count():
                names |= set(space.groups.get(leaf.group, ()))
            case Quantity():
                return None
            case _:
                pass
    return frozenset(names)


def unknown_in(space: SearchSpace, condition: Condition) -> str | None:
    """The first choice, group or quantity of a condition that the space lacks; None: none."""
    choices = {choice.name for choice in space.choices}
    quantities = {info.name for info in space.quantities_info}
    for leaf, _ in leaves(condition):
        match leaf:
            case Is() | Bound():
                known, name = choices, leaf.choice
            case Count():
                known, name = set(space.groups), leaf.group
            case Quantity():
                known, name = quantities, leaf.name
            case Anything():
                continue
        if name not in known:
            return name
    return None


def switch_on(
    space: SearchSpace, arch: Arch, condition: Condition, rng: np.random.Generator
) -> Arch | None:
    """The network nearest to `arch` that meets the condition, chance deciding between equals.

    Walks downhill on the number of choices that still have to change, one choice at a time, and
    gives up (None) where no step helps.
    """
    short: Arch | None = None
    if isinstance(condition, Is | Bound):
        short = _one_choice(space, arch, condition, rng)
    elif isinstance(condition, Count):
        short = _some_choices(space, arch, condition, rng)
    if short is not None:
        return short
    facts, names = _facts_of(space, condition), names_in(space, condition)
    here, left = arch, gap(condition, facts(arch))
    for _ in range(MOST_EDITS):
        if left == 0.0:
            return here
        steps = [(gap(condition, facts(near)), near) for near in one_edit(space, here, names)]
        best = min((gap_there for gap_there, _ in steps), default=left)
        if best >= left:
            return None
        equals = [near for gap_there, near in steps if gap_there == best]
        here, left = _closest(space, arch, equals, rng), best
    return here if left == 0.0 else None


def _one_choice(
    space: SearchSpace, arch: Arch, condition: Is | Bound, rng: np.random.Generator
) -> Arch | None:
    """The shortest way for the most frequent kind of condition; None where it is closed."""
    values, name = space.values(arch), condition.choice
    own = values.get(name)
    choice = next((c for c in space.choices if c.name == name), None)
    if own is None or choice is None:
        return None
    there = [v for v in choice.values if matches(condition, Facts({name: v}))]
    if not there or own in there:
        return arch if there else None
    value = there[int(rng.integers(len(there)))]
    if choice.ordered:
        at = choice.values.index(own)
        value = min(there, key=lambda v: abs(choice.values.index(v) - at))
    try:
        return space.arch({**values, name: value})
    except RequestError:
        return None


def _some_choices(
    space: SearchSpace, arch: Arch, condition: Count, rng: np.random.Generator
) -> Arch | None:
    """The shortest way to a count: as many members as it takes, chosen at random."""
    values = dict(space.values(arch))
    members = [name for name in space.groups.get(condition.group, ()) if name in values]
    having = [name for name in members if values[name] in condition.values]
    more = condition.count - len(having)
    if more == 0 or (more > 0) == (condition.relation == "le"):
        return arch
    kinds = {choice.name: choice.values for choice in space.choices if choice.name in members}
    pool = [name for name in members if name not in having] if more > 0 else having
    if abs(more) > len(pool):
        return None
    for place in rng.permutation(len(pool))[: abs(more)].tolist():
        there = [v for v in kinds[pool[place]] if (v in condition.values) == (more > 0)]
        if not there:
            return None
        values[pool[place]] = there[int(rng.integers(len(there)))]
    try:
        return space.arch(values)
    except RequestError:
        return None


def _closest(space: SearchSpace, arch: Arch, equals: list[Arch], rng: np.random.Generator) -> Arch:
    """Of equally good steps one that moves ordered choices least."""
    if len(equals) == 1:
        return equals[0]
    before = space.values(arch)

    def moved(near: Arch) -> float:
        after = space.values(near)
        return sum(
            abs(choice.values.index(after[choice.name]) - choice.values.index(before[choice.name]))
            for choice in space.choices
            if choice.ordered and choice.name in after and choice.name in before
        )

    far = [moved(near) for near in equals]
    least = [near for near, distance in zip(equals, far, strict=True) if distance == min(far)]
    return least[int(rng.integers(len(least)))]


def one_edit(space: SearchSpace, arch: Arch, names: frozenset[str] | None) -> Iterator[Arch]:
    """Members with one choice changed, of some names or of any (None)."""
    values = space.values(arch)
    if names is None or not names <= set(values):
        # A choice that is not active needs another one to change first.
        yield from space.neighbours(arch)
        return
    for choice in space.choices:
        for value in choice.values if choice.name in names else ():
            if value == values[choice.name]:
                continue
            try:
                yield space.arch({**values, choice.name: value})
            except RequestError:
                # It switches other choices on: the space knows what they become.
                for near in space.neighbours(arch):
                    if space.values(near).get(choice.name) == value:
                        yield near


def gap(condition: Condition, facts: Facts) -> float:
    """How far a network is from meeting a condition: choices to change, roughly; 0 when met."""
    if matches(condition, facts):
        return 0.0
    match condition:
        case AllOf(parts=parts):
            return sum(gap(part, facts) for part in parts)
        case AnyOf(parts=parts):
            return min(gap(part, facts) for part in parts)
        case Count():
            return _missing(condition, facts)
        case Quantity(name=name, low=low, high=high):
            value = facts.quantities.get(name)
            if value is None:
                return 1e9
            bound = low if low is not None and value < low else high
            return 1.0 if bound is None else abs(value - bound) / (abs(value) + abs(bound) + 1e-9)
        case Not(part=Count() as part):
            return _missing(part, facts, negated=True)
        case _:
            return 1.0


def _missing(condition: Count, facts: Facts, *, negated: bool = False) -> float:
    members = facts.groups.get(condition.group, ())
    held = sum(facts.values.get(name) in condition.values for name in members)
    if not negated:
        return float(abs(condition.count - held))
    over = {"eq": 1, "ge": held - condition.count + 1, "le": condition.count - held + 1}
    return float(max(1, over[condition.relation]))
