"""Response schemas for any space, narrowed to a niche's condition where that can be said.

A network is an object with one key a choice. Its enum holds the values that the niche's plain
conditions (`choice is`, `choice at least`) leave; a choice that is not always active may be null.
Counts and quantities no schema can hold: the prompt tells them and the Validator checks them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from llm_nas.agents.model.blind import Lexicon, admitted
from llm_nas.agents.offline.effects import telling_quantities
from llm_nas.choices import Choice
from llm_nas.conditions import AllOf, Bound, Condition, Is, Not, Value

MOST_VALUES = 800
"""OpenAI's strict mode takes at most 1,000 enum values in one schema."""
MOST_OF_ONE_CHOICE = 60
"""A choice with more values is a bounded number or a text; the Validator does the rest."""
LONGEST_REASON = 160
LONGEST_PLAN = 600
_MOST_COUNT = 64


def narrowed(choices: Sequence[Choice], condition: Condition) -> dict[str, tuple[Value, ...]]:
    """Values of every choice that the plain parts of a condition leave, by choice."""
    left = {choice.name: choice.values for choice in choices}
    by_name = {choice.name: choice for choice in choices}
    for part in _conjuncts(condition):
        match part:
            case Is(choice=name, values=values) if name in left:
                kept = tuple(v for v in left[name] if v in values)
            case Not(part=Is(choice=name, values=values)) if name in left:
                kept = tuple(v for v in left[name] if v not in values)
            case Bound(choice=name) if name in left:
                allowed = admitted(by_name[name], part)
                kept = tuple(v for v in left[name] if v in allowed)
            case _:
                continue
        left[name] = kept or left[name]
    return left


def _conjuncts(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, AllOf):
        for part in condition.parts:
            yield from _conjuncts(part)
    else:
        yield condition


def networks_schema(lexicon: Lexicon, condition: Condition, count: int) -> dict[str, Any]:
    """Schema of an answer with exactly `count` networks of a niche, each with a reason."""
    values = narrowed(lexicon.choices, condition)
    needed = {p.choice for p in _conjuncts(condition) if isinstance(p, Is | Bound)}
    largest = sorted((len(v) for v in values.values()), reverse=True)
    most = MOST_OF_ONE_CHOICE
    while largest and sum(n for n in largest if n <= most) > MOST_VALUES:
        most = max(n for n in largest if n <= most) - 1
    properties: dict[str, Any] = {"reason": _text(LONGEST_REASON)}
    for choice in lexicon.choices:
        optional = choice.active_when is not None and choice.name not in needed
        properties[lexicon.key(choice)] = _one_choice(
            lexicon, choice, values[choice.name], most, optional=optional
        )
    networks = {
        "type": "array",
        "items": _closed(properties),
        "minItems": count,
        "maxItems": count,
    }
    return _closed({"plan": _text(LONGEST_PLAN), "networks": networks})


def _one_choice(
    lexicon: Lexicon, choice: Choice, values: Sequence[Value], most: int, *, optional: bool
) -> dict[str, Any]:
    said = [lexicon.token(choice, value) for value in values]
    types = sorted({_type(value) for value in said})
    if optional:
        types.append("null")
    schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    if len(said) <= most:
        return schema | {"enum": [*said, None] if optional else said}
    if types == ["integer"]:
        numbers = [v for v in said if isinstance(v, int)]
        schema |= {"minimum": min(numbers), "maximum": max(numbers)}
    return schema


def _type(value: Value) -> str:
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number"


def claims_schema(
    lexicon: Lexicon, scopes: Sequence[str], labels: Sequence[str], most: int
) -> dict[str, Any]:
    """Schema of an analysis: at most `most` typed claims, and votes on the heuristics shown.

    `labels` are the names of the heuristics in the prompt (H1, H2, ...).
    """
    claim = _closed(
        {
            "because": _text(LONGEST_REASON),
            "all_of": {
                "type": "array",
                "items": {"anyOf": _conditions(lexicon)},
                "minItems": 1,
                "maxItems": 2,
            },
            "objective": _one_of(["accuracy", "latency"]),
            "direction": _one_of(["raises", "lowers"]),
            "size": {"type": ["number", "null"]},
            "scope": _one_of(scopes),
        }
    )
    votes = {"type": "array", "items": _one_of(labels), "maxItems": len(labels)}
    properties: dict[str, Any] = {"claims": {"type": "array", "items": claim, "maxItems": most}}
    if labels:
        properties |= {"keep": votes, "retire": votes}
    return _closed({**properties, "note": _text(LONGEST_REASON)})


def _conditions(lexicon: Lexicon) -> list[dict[str, Any]]:
    """Forms of a condition: one for all choices of equal values, one a kind for the rest."""
    forms: list[dict[str, Any]] = []
    for values, choices in _alike(lexicon).items():
        value, ordered = _any_of(values), [lexicon.key(c) for c in choices if c.ordered]
        names = _one_of([lexicon.key(c) for c in choices])
        forms.append(_form("is", choice=names, value=value))
        if ordered:
            relation = _one_of(["ge", "le"])
            forms.append(_form("bound", choice=_one_of(ordered), relation=relation, value=value))
    for values, groups in _alike_groups(lexicon).items():
        relation = _one_of(["eq", "ge", "le"])
        count = {"type": "integer", "minimum": 0, "maximum": _MOST_COUNT}
        group, value = _one_of(groups), _any_of(values)
        forms.append(_form("count", group=group, value=value, relation=relation, count=count))
    quantities = [lexicon.name(name) for name in telling_quantities(lexicon.space)]
    if quantities:
        relation, number = _one_of(["ge", "lt"]), {"type": "number"}
        name = _one_of(quantities)
        forms.append(_form("quantity", name=name, relation=relation, value=number))
    return forms


def _form(kind: str, **fields: dict[str, Any]) -> dict[str, Any]:
    return _closed({"kind": _one_of([kind]), **fields})


def _alike(lexicon: Lexicon) -> dict[tuple[Value, ...], list[Choice]]:
    alike: dict[tuple[Value, ...], list[Choice]] = {}
    for choice in lexicon.choices:
        alike.setdefault(tuple(lexicon.tokens(choice)), []).append(choice)
    return alike


def _alike_groups(lexicon: Lexicon) -> dict[tuple[Value, ...], list[str]]:
    by_name = {choice.name: choice for choice in lexicon.choices}
    alike: dict[tuple[Value, ...], list[str]] = {}
    for group, members in lexicon.space.groups.items():
        values = [v for name in members for v in lexicon.tokens(by_name[name])]
        alike.setdefault(tuple(dict.fromkeys(values)), []).append(lexicon.name(group))
    return alike


def _any_of(values: Sequence[Value]) -> dict[str, Any]:
    """Any of some values, or any of their type where they are too many."""
    types = sorted({_type(value) for value in values})
    schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    return schema | ({"enum": list(values)} if len(values) <= MOST_OF_ONE_CHOICE else {})


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _one_of(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
