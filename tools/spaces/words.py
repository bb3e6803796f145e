"""A space in words, for people and prompts."""

from collections.abc import Sequence

from llm_nas.choices import Choice
from llm_nas.conditions import in_words
from llm_nas.ports import QuantityInfo


def described(
    name: str, choices: Sequence[Choice], quantities: Sequence[QuantityInfo], log10_size: float
) -> str:
    """What the space is made of: alike choices in one line, then the numbers known of each."""
    lines = [f"{name}: {size_in_words(log10_size)} networks, {len(choices)} choices."]
    alike: dict[str, list[Choice]] = {}
    for choice in choices:
        listed = (" < " if choice.ordered else " | ").join(str(v) for v in choice.values)
        alike.setdefault(listed, []).append(choice)
    for listed, held in alike.items():
        lines.append(f"- {', '.join(c.name for c in held)}: {listed}{_meaning(held)}")
    gated = [c for c in choices if c.active_when is not None]
    lines += [f"- {c.name} only with {in_words(c.active_when)}" for c in gated if c.active_when]
    known = [f"{q.name} ({q.words})" if q.words else q.name for q in quantities]
    return "\n".join([*lines, f"Known of every network: {', '.join(known)}."])


def size_in_words(log10_size: float) -> str:
    """`15625`, `1.05e+11` or `1e40`: how many members a space has."""
    if log10_size < 300:
        members = 10**log10_size
        return f"{members:.0f}" if members < 1e6 else f"{members:.2e}"
    return f"1e{log10_size:.0f}"


def _meaning(held: Sequence[Choice]) -> str:
    words = [c.words for c in held if c.words]
    if not words:
        return ""
    return f" ({words[0]}, ...)" if len(set(words)) > 1 else f" ({words[0]})"
