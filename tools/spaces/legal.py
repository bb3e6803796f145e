"""What makes a list of choices a space, and words for what is not allowed."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from llm_nas.choices import Choice
from llm_nas.conditions import Bound, Condition, Count, Is, Quantity, Value, leaves
from llm_nas.errors import RequestError

Codes: TypeAlias = tuple[int, ...]
"""Position of every choice's value, in the order of the choices."""
INACTIVE = -1
"""The code of a choice that is left out."""
MISSING = -2
"""Stands for the code of a choice that should have been given."""

_NAME = re.compile(r"[A-Za-z0-9_.:>|/\-]{1,64}")
_VALUE = re.compile(r"[^\s=,;]{1,64}")
_MOST_NAMED = 40


def checked_choices(space: str, choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """The choices, or a `RequestError` that says which one is impossible and why."""
    seen: dict[str, Choice] = {}
    for choice in choices:
        problem = _problem(choice, seen)
        if problem:
            raise RequestError(f"space {space}, choice {choice.name!r}: {problem}")
        seen[choice.name] = choice
    if not seen:
        raise RequestError(f"space {space}: it has no choices")
    return tuple(seen.values())


def _problem(choice: Choice, earlier: Mapping[str, Choice]) -> str:
    texts = [str(v) for v in choice.values]
    if not _NAME.fullmatch(choice.name):
        return "a name is letters, digits and _ . : > | / - without spaces"
    if choice.name in earlier:
        return "two choices have this name"
    if not texts or len(set(texts)) < len(texts):
        return f"values must differ and be at least one, got {', '.join(texts) or 'none'}"
    if wrong := [t for t in texts if not _VALUE.fullmatch(t)]:
        return f"value {wrong[0]!r} has a space, '=', ',' or ';' in it, or is empty or too long"
    if choice.ordered and not _increasing(choice.values):
        return f"an ordered choice has increasing numbers, got {', '.join(texts)}"
    return _gate_problem(choice.active_when, earlier)


def _increasing(values: Sequence[Value]) -> bool:
    numbers = [v for v in values if not isinstance(v, str)]
    return len(numbers) == len(values) and numbers == sorted(numbers)


def _gate_problem(gate: Condition | None, earlier: Mapping[str, Choice]) -> str:
    for leaf, _ in () if gate is None else leaves(gate):
        if isinstance(leaf, Quantity):
            return "active_when cannot ask for a quantity, only for earlier choices"
        if isinstance(leaf, Is | Bound) and leaf.choice not in earlier:
            return f"active_when asks for {leaf.choice!r}, which is no earlier choice"
        if isinstance(leaf, Is):
            unknown = [v for v in leaf.values if v not in earlier[leaf.choice].values]
            if unknown:
                return f"active_when asks for {leaf.choice} = {unknown[0]}, which it cannot be"
    return ""


def grouped(
    choices: Sequence[Choice], groups: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    """The groups given, checked; or choices that differ in a number at the end of their name."""
    names = {c.name for c in choices}
    if groups is not None:
        for group, members in groups.items():
            if unknown := [m for m in members if m not in names]:
                raise RequestError(f"group {group!r}: {unknown[0]!r} is no choice of the space")
        return {group: tuple(members) for group, members in groups.items()}
    found: dict[str, list[str]] = {}
    for choice in choices:
        found.setdefault(choice.name.rstrip("0123456789").rstrip("_.-"), []).append(choice.name)
    return {stem: tuple(held) for stem, held in found.items() if stem and len(held) > 1}


def asked_for(gate: Condition, groups: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Names of the choices a condition looks at, each once, in a fixed order."""
    names: list[str] = []
    for leaf, _ in leaves(gate):
        if isinstance(leaf, Is | Bound):
            names.append(leaf.choice)
        elif isinstance(leaf, Count):
            names += groups.get(leaf.group, ())
    return tuple(dict.fromkeys(names))


def value_code(choice: Choice, text: str) -> int:
    """Position of the value a text spells (`3.0` spells 3, `true` spells 1), else RequestError."""
    texts = [str(v) for v in choice.values]
    if text in texts:
        return texts.index(text)
    number = {"true": 1.0, "yes": 1.0, "on": 1.0, "false": 0.0, "no": 0.0, "off": 0.0}.get(
        text.lower(), _number(text)
    )
    for code, value in enumerate(choice.values):
        if number is not None and not isinstance(value, str) and float(value) == number:
            return code
    raise RequestError(f"{choice.name}={text}: expected {allowed(choice)}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def allowed(choice: Choice) -> str:
    """The values of a choice, for an error: `3, 5 or 7`."""
    texts = [str(v) for v in choice.values]
    if len(texts) > _MOST_NAMED:
        texts = [*texts[: _MOST_NAMED // 2], "...", *texts[-_MOST_NAMED // 2 :]]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def nearest(name: str, names: Sequence[str]) -> str:
    """Names to choose from, for an error: the alike ones first, never more than a line."""
    alike = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    rest = [n for n in names if n not in alike]
    listed = [*alike, *rest][:_MOST_NAMED]
    return ", ".join(listed) + (", ..." if len(names) > len(listed) else "")
