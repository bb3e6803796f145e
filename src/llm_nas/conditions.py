"""Predicates over architectures: one language for niches, claims, limits and inactive choices.

A condition is data; `matches` decides it from an architecture's `Facts`. Spaces declare what can
be asked: their choices, groups of choices that can be counted over, and quantities (numbers such
as `macs_m`, or the share of an early stage).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias, assert_never

from pydantic import Field

from llm_nas.frozen import Frozen

Value: TypeAlias = int | float | str
"""What a choice can hold."""
Relation: TypeAlias = Literal["eq", "ge", "le"]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:>|/\- ]+$")]

MAX_PARTS = 8
_MAX_COUNT = 64
_WORDS: Mapping[Relation, str] = {"eq": "exactly", "ge": "at least", "le": "at most"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions may ask of an architecture: made by `SearchSpace.facts`."""

    values: Mapping[str, Value]
    """Value of every active choice, by name."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Names of the choices of every group; the same for all architectures of a space."""
    quantities: Mapping[str, float] = field(default_factory=dict[str, float])


class Is(Frozen):
    """An active choice holds one of some values."""

    kind: Literal["is"] = "is"
    choice: Name
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=64)]


class Bound(Frozen):
    """An active, ordered choice is at least / at most a number."""

    kind: Literal["bound"] = "bound"
    choice: Name
    relation: Literal["ge", "le"]
    value: float


class Count(Frozen):
    """Exactly / at least / at most `count` active choices of a group hold one of some values."""

    kind: Literal["count"] = "count"
    group: Name
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=64)]
    relation: Relation
    count: Annotated[int, Field(ge=0, le=_MAX_COUNT)]


class Quantity(Frozen):
    """A computed number lies in [`low`, `high`); None: without end on that side."""

    kind: Literal["quantity"] = "quantity"
    name: Name
    low: float | None = None
    high: float | None = None


class Anything(Frozen):
    """Every architecture."""

    kind: Literal["anything"] = "anything"


class AllOf(Frozen):
    """Every part holds."""

    kind: Literal["all_of"] = "all_of"
    parts: Annotated[tuple["Condition", ...], Field(min_length=1, max_length=MAX_PARTS)]


class AnyOf(Frozen):
    """Some part holds."""

    kind: Literal["any_of"] = "any_of"
    parts: Annotated[tuple["Condition", ...], Field(min_length=1, max_length=MAX_PARTS)]


class Not(Frozen):
    """The part does not hold."""

    kind: Literal["not"] = "not"
    part: "Condition"


Leaf: TypeAlias = Is | Bound | Count | Quantity | Anything
Condition: TypeAlias = Annotated[
    Is | Bound | Count | Quantity | Anything | AllOf | AnyOf | Not, Field(discriminator="kind")
]

for _recursive in (AllOf, AnyOf, Not):
    _recursive.model_rebuild()


def leaves(condition: Condition, depth: int = 1) -> Iterator[tuple[Leaf, int]]:
    """The parts of a condition that speak of an architecture, each with its depth of nesting."""
    match condition:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from leaves(part, depth + 1)
        case Not(part=part):
            yield from leaves(part, depth + 1)
        case _:
            yield condition, depth


def matches(condition: Condition, facts: Facts) -> bool:
    """Whether an architecture with these facts meets the condition.

    A choice that is not active, and a quantity that is not known, meets no condition about it.
    """
    match condition:
        case AllOf(parts=parts):
            return all(matches(p, facts) for p in parts)
        case AnyOf(parts=parts):
            return any(matches(p, facts) for p in parts)
        case Not(part=part):
            return not matches(part, facts)
        case _:
            return _leaf_matches(condition, facts)


def _leaf_matches(leaf: Leaf, facts: Facts) -> bool:
    match leaf:
        case Anything():
            return True
        case Is(choice=choice, values=values):
            return choice in facts.values and facts.values[choice] in values
        case Bound(choice=choice, relation=relation, value=bound):
            value = facts.values.get(choice)
            if value is None or isinstance(value, str):
                return False
            return value >= bound if relation == "ge" else value <= bound
        case Count():
            return _compare(_count(leaf, facts), leaf.relation, leaf.count)
        case Quantity(name=name, low=low, high=high):
            number = facts.quantities.get(name)
            if number is None:
                return False
            return (low is None or number >= low) and (high is None or number < high)
        case _:
            assert_never(leaf)


def _count(condition: Count, facts: Facts) -> int:
    members = facts.groups.get(condition.group, ())
    held = (facts.values[name] for name in members if name in facts.values)
    return sum(value in condition.values for value in held)


def _compare(value: int, relation: Relation, bound: int) -> bool:
    return {"eq": value == bound, "ge": value >= bound, "le": value <= bound}[relation]


def in_words(condition: Condition) -> str:
    """The condition as an English phrase that follows 'networks with'."""
    match condition:
        case Anything():
            return "anything"
        case Is(choice=choice, values=values):
            return f"{choice} = {_listed(values)}"
        case Bound(choice=choice, relation=relation, value=value):
            return f"{choice} {_WORDS[relation]} {value:g}"
        case Count(group=group, values=values, relation=relation, count=count):
            return f"{_WORDS[relation]} {count} of {group} = {_listed(values)}"
        case Quantity():
            return _range(condition)
        case AllOf(parts=parts):
            return "(" + " and ".join(in_words(p) for p in parts) + ")"
        case AnyOf(parts=parts):
            return "(" + " or ".join(in_words(p) for p in parts) + ")"
        case Not(part=part):
            return f"not ({in_words(part)})"
        case _:
            assert_never(condition)


def _listed(values: tuple[Value, ...]) -> str:
    return " or ".join(str(v) for v in values)


def _range(condition: Quantity) -> str:
    low, high = condition.low, condition.high
    if low is None and high is None:
        return f"any {condition.name}"
    if low is None:
        return f"{condition.name} below {high:.4g}"
    if high is None:
        return f"{condition.name} of at least {low:.4g}"
    return f"{condition.name} from {low:.4g} to {high:.4g}"


def canonical(condition: Condition) -> Condition:
    """The same predicate in one spelling: flat, sorted, without double negation or repeats."""
    match condition:
        case Is(values=values) | Count(values=values):
            return condition.model_copy(update={"values": _sorted(values)})
        case Not(part=Not(part=inner)):
            return canonical(inner)
        case Not(part=Count() as counted) if counted.relation != "eq":
            return canonical(_negated_count(counted))
        case Not(part=part):
            inside = canonical(part)
            return Not(part=inside) if inside == part else canonical(Not(part=inside))
        case AllOf():
            parts = _flat(condition, AllOf)
            return parts[0] if len(parts) == 1 else AllOf(parts=parts)
        case AnyOf():
            parts = _flat(condition, AnyOf)
            return parts[0] if len(parts) == 1 else AnyOf(parts=parts)
        case _:
            return condition


def _sorted(values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(sorted(set(values), key=lambda v: (isinstance(v, str), v)))


def _negated_count(counted: Count) -> Condition:
    if counted.relation == "ge" and counted.count > 0:
        return counted.model_copy(update={"relation": "le", "count": counted.count - 1})
    if counted.relation == "le" and counted.count < _MAX_COUNT:
        return counted.model_copy(update={"relation": "ge", "count": counted.count + 1})
    return Not(part=counted)


def _flat(group: "AllOf | AnyOf", kind: "type[AllOf] | type[AnyOf]") -> "tuple[Condition, ...]":
    """Canonical parts of a group, nested groups of its own kind opened, sorted, unique.

    Opening stops at `MAX_PARTS`, the most a group may hold.
    """
    parts = {canonical(p).model_dump_json(): canonical(p) for p in group.parts}
    for text, part in list(parts.items()):
        if isinstance(part, kind) and len(parts) - 1 + len(part.parts) <= MAX_PARTS:
            del parts[text]
            parts |= {p.model_dump_json(): p for p in part.parts}
    return tuple(parts[text] for text in sorted(parts))
