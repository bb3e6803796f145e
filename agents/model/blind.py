"""What the model calls things: the space's own names, or meaningless codes for one run.

A public benchmark may stand in a model's training data. Behind a blind lexicon the model
sees no name of a choice, value, device, task, niche or space, in a shuffled order, so
that what it proposes can only come from the numbers it was shown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.choices import Choice
from llm_nas.conditions import (
    AllOf,
    AnyOf,
    Bound,
    Condition,
    Count,
    Is,
    Not,
    Quantity,
    Value,
)
from llm_nas.domain import Arch
from llm_nas.ports import Partition, SearchSpace

_FEWEST_IN_A_ROW = 3
"""Choices of a group that are written together."""


@dataclass(frozen=True, slots=True)
class Row:
    """Choices whose values are written together, under the name of their group."""

    label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Codes:
    """What stands for names and values; empty in an open lexicon."""

    names: Mapping[str, str]
    """Code by name: choices, groups, quantities, niches, and whatever else is hidden."""
    levels: Mapping[Value, str]
    """Code by value of ordered choices; codes are numbered in their order."""
    options: Mapping[Value, str]
    """Code by value of all other choices."""


class Lexicon:
    """Two-way names between a space and a model; `choices` stand in the model's order."""

    def __init__(
        self, space: SearchSpace, choices: Sequence[Choice], codes: Codes | None = None
    ) -> None:
        """Take codes for everything to hide; None for an open lexicon."""
        self.space = space
        self.choices = tuple(choices)
        self.blind = codes is not None
        self._codes = codes or Codes({}, {}, {})
        self._keys = self._unique_keys()
        self._choice_of = {key: c for c in choices for key in (self._keys[c.name], c.name)}
        self._by_name = {choice.name: choice for choice in choices}
        self._back = {self.name(n): n for n in (*space.groups, *self._quantities())}
        self.rows = self._in_rows()
        hidden = sorted((n for n in self._codes.names if n), key=len, reverse=True)
        pattern = "|".join(rf"(?<![A-Za-z0-9_]){re.escape(n)}(?![A-Za-z0-9_])" for n in hidden)
        self._hidden = re.compile(pattern, re.IGNORECASE) if hidden else None
        self._folded = {name.lower(): code for name, code in self._codes.names.items()}

    def _quantities(self) -> list[str]:
        return [quantity.name for quantity in self.space.quantities_info]

    def _unique_keys(self) -> dict[str, str]:
        """JSON keys by choice: letters, digits and underscores only."""
        keys: dict[str, str] = {}
        for choice in self.choices:
            key = re.sub(r"\W", "_", self.name(choice.name))
            key = key if key[:1].isalpha() else f"c_{key}"
            while key in keys.values():
                key += "_"
            keys[choice.name] = key
        return keys

    def _in_rows(self) -> tuple[Row, ...]:
        """Every choice once: groups of three and more together, the others alone."""
        rows: list[Row] = []
        left = {choice.name: choice for choice in self.choices}
        for choice in self.choices:
            if choice.name not in left:
                continue
            label, names = self.key(choice), [choice.name]
            for group, members in self.space.groups.items():
                free = [name for name in members if name in left]
                if choice.name in free and len(free) >= max(_FEWEST_IN_A_ROW, len(names) + 1):
                    label, names = self.name(group), free
            rows.append(Row(label, tuple(left.pop(name) for name in names)))
        return tuple(rows)

    def name(self, name: str) -> str:
        """What the model calls something the project calls `name`."""
        return self._codes.names.get(name, name)

    def place(self, name: str) -> str:
        """What the model calls a task, device or niche, perhaps of another run."""
        return self._codes.names.get(name, "elsewhere") if self.blind else name

    def hide(self, text: str) -> str:
        """Free text with every known name replaced, whatever its case."""
        if self._hidden is None:
            return text
        return self._hidden.sub(lambda m: self._folded[m[0].lower()], text)

    def key(self, choice: Choice) -> str:
        """What the model calls a choice, fit to be a JSON key."""
        return self._keys[choice.name]

    def choice(self, key: object) -> Choice | None:
        """The choice the model means, or None."""
        return self._choice_of.get(key) if isinstance(key, str) else None

    def known(self, name: object, among: Iterable[str]) -> str | None:
        """The group or quantity, one of `among`, that the model means, or None."""
        found = self._back.get(name) if isinstance(name, str) else None
        return found if found in set(among) else None

    def token(self, choice: Choice, value: Value) -> Value:
        """What the model calls a value of a choice."""
        table = self._codes.levels if choice.ordered else self._codes.options
        return table.get(value, value)

    def tokens(self, choice: Choice) -> list[Value]:
        """All values of a choice, as the model calls them."""
        return [self.token(choice, value) for value in choice.values]

    def value(self, choice: Choice, said: object) -> Value | None:
        """The value the model means, however it spells it, or None."""
        wanted = _spelling(said)
        for value in choice.values:
            if _spelling(self.token(choice, value)) == wanted:
                return value
        return None

    def network(self, arch: Arch) -> str:
        """An architecture in one line: values in the order of `rows`, '-' for what is left out."""
        values = self.space.values(arch)
        parts: list[str] = []
        for row in self.rows:
            told = [
                str(self.token(c, values[c.name])) if c.name in values else "-"
                for c in row.choices
            ]
            parts.append(f"{row.label} {' '.join(told)}")
        return "; ".join(parts)

    def condition(self, condition: Condition) -> Condition:
        """The same condition in the model's words; bounds become the values they admit."""
        match condition:
            case Is(choice=name, values=values):
                return Is(choice=self._said(name), values=self._all_said(name, values))
            case Bound(choice=name):
                return self._bound(condition) if self.blind else self._renamed_bound(condition)
            case Count(group=group, values=values):
                member = next(iter(self.space.groups.get(group, ())), "")
                said = {"group": self.name(group), "values": self._all_said(member, values)}
                return condition.model_copy(update=said)
            case Quantity(name=name):
                return condition.model_copy(update={"name": self.name(name)})
            case AllOf(parts=parts):
                return AllOf(parts=tuple(self.condition(p) for p in parts))
            case AnyOf(parts=parts):
                return AnyOf(parts=tuple(self.condition(p) for p in parts))
            case Not(part=part):
                return Not(part=self.condition(part))
            case _:
                return condition

    def _said(self, name: str) -> str:
        return self._keys.get(name, name)

    def _all_said(self, name: str, values: Sequence[Value]) -> tuple[Value, ...]:
        choice = self._by_name.get(name)
        return tuple(values if choice is None else (self.token(choice, v) for v in values))

    def _renamed_bound(self, bound: Bound) -> Bound:
        return bound.model_copy(update={"choice": self._said(bound.choice)})

    def _bound(self, bound: Bound) -> Condition:
        choice = self._by_name[bound.choice]
        values = admitted(choice, bound) or choice.values
        return Is(choice=self._said(bound.choice), values=self._all_said(choice.name, values))


def admitted(choice: Choice, bound: Bound) -> tuple[Value, ...]:
    """The values of a choice that a bound allows."""
    low = bound.relation == "ge"
    return tuple(
        v
        for v in choice.values
        if not isinstance(v, str) and (v >= bound.value if low else v <= bound.value)
    )


def open_lexicon(space: SearchSpace) -> Lexicon:
    """The space's own names."""
    return Lexicon(space, space.choices)


def blind_lexicon(
    space: SearchSpace,
    partition: Partition,
    rng: np.random.Generator,
    extra: Iterable[str] = (),
) -> Lexicon:
    """Codes drawn for one run; `extra` names (of the task and device) are hidden too."""
    choices = [space.choices[int(i)] for i in rng.permutation(len(space.choices))]
    names = {name: "hidden" for name in (*extra, space.name) if name}
    names |= _numbered("niche", [niche.id for niche in partition.niches], rng)
    names |= _numbered("number", [q.name for q in space.quantities_info], rng)
    names |= _numbered("group", list(space.groups), rng)
    names |= {choice.name: f"choice_{i}" for i, choice in enumerate(choices, start=1)}
    ordered = sorted({v for c in choices if c.ordered for v in c.values}, key=_rank)
    levels = {value: f"level_{i}" for i, value in enumerate(ordered, start=1)}
    others = list(dict.fromkeys(v for c in choices if not c.ordered for v in c.values))
    order = [int(i) for i in rng.permutation(len(others))]
    options: dict[Value, str] = {others[p]: f"option_{i}" for i, p in enumerate(order, start=1)}
    return Lexicon(space, choices, Codes(names, levels, options))


def _rank(value: Value) -> tuple[float, str]:
    return (0.0, value) if isinstance(value, str) else (float(value), "")


def _numbered(kind: str, names: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    order = rng.permutation(len(names))
    return {name: f"{kind}_{int(place) + 1}" for name, place in zip(names, order, strict=True)}


def _spelling(value: object) -> str:
    """One spelling of a value: case, blanks, and '3.0' for 3 make no difference."""
    text = str(value).strip().lower()
    try:
        return f"{float(text):g}"
    except ValueError:
        return text
