"""A space in words, for people and prompts: alike choices in one line."""

import re
from collections.abc import Sequence

from llm_nas.choices import Choice
from llm_nas.conditions import in_words
from llm_nas.ports import QuantityInfo


def described(
    name: str, choices: Sequence[Choice], quantities: Sequence[QuantityInfo], log10_size: float
) -> str:
    """What the space is made of, when choices are active, and the numbers known of each member."""
    lines = [f"{name}: {size_in_words(log10_size)} networks, {len(choices)} choices."]
    alike: dict[tuple[str, str], list[Choice]] = {}
    gated: dict[str, list[Choice]] = {}
    for choice in choices:
        listed = (" < " if choice.ordered else " | ").join(str(v) for v in choice.values)
        alike.setdefault((listed, re.sub(r"\d+", "", choice.words)), []).append(choice)
        if choice.active_when is not None:
            gated.setdefault(in_words(choice.active_when), []).append(choice)
    for (listed, _), held in alike.items():
        lines.append(f"- {_named(held)}: {listed}{_meaning(held)}")
    lines += _rules([(held, f"{_named(held)} only with {when}") for when, held in gated.items()])
    if quantities:
        known = [f"{q.name} ({q.words})" if q.words else q.name for q in quantities]
        lines.append(f"Known of every network: {', '.join(known)}.")
    return "\n".join(lines)


def size_in_words(log10_size: float) -> str:
    """`500`, `1.05e+11` or `1e400`: how many members a space has."""
    if log10_size < 300:
        members = 10**log10_size
        return f"{members:.0f}" if members < 1e6 else f"{members:.2e}"
    return f"1e{log10_size:.0f}"


def _rules(rules: Sequence[tuple[Sequence[Choice], str]]) -> list[str]:
    """Rules, those that differ in a number alone as one: `kI only with depth at least I`."""
    by_form: dict[str, list[tuple[int, str]]] = {}
    for held, rule in rules:
        number = _parts(held[0].name)[1]
        form = re.sub(rf"(?<!\d){number}(?!\d)", "I", rule) if number else rule
        by_form.setdefault(form, []).append((number, rule))
    lines: list[str] = []
    for form, alike in by_form.items():
        numbers = ", ".join(str(number) for number, _ in alike)
        lines.append(f"- {alike[0][1]}" if len(alike) == 1 else f"- {form} (I = {numbers})")
    return lines


def _named(choices: Sequence[Choice]) -> str:
    """Their names; runs of names that count up are shortened to `k1 ... k7`."""
    runs: list[list[str]] = []
    for choice in sorted(choices, key=lambda choice: _parts(choice.name)):
        stem, number = _parts(choice.name)
        if runs and number and _parts(runs[-1][-1]) == (stem, number - 1):
            runs[-1].append(choice.name)
        else:
            runs.append([choice.name])
    return ", ".join(r[0] if len(r) == 1 else f"{r[0]} ... {r[-1]}" for r in runs)


def _parts(name: str) -> tuple[str, int]:
    """A name and the number at its end: `("k", 7)`, 0 where there is none."""
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or 0)


def _meaning(held: Sequence[Choice]) -> str:
    words = [choice.words for choice in held if choice.words]
    return f" ({words[0]}{', ...' if len(set(words)) > 1 else ''})" if words else ""
