"""What a question is about: the operations and edges it names, in the spellings people use."""

import re
from collections.abc import Mapping, Sequence

from llm_nas.knowledge.query import Topic

_CONV = r"conv(?:olution)?s?"
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    r"(?:3 ?[x×] ?3 )?(?:(?:avg|average|mean)[ -])?pool(?:ing|s)?\b(?: 3 ?[x×] ?3\b)?": (
        "avg_pool_3x3",
    ),
    rf"3 ?[x×] ?3(?: {_CONV})?\b|{_CONV} 3 ?[x×] ?3\b": ("nor_conv_3x3",),
    rf"1 ?[x×] ?1(?: {_CONV})?\b|{_CONV} 1 ?[x×] ?1\b": ("nor_conv_1x1",),
    rf"{_CONV}\b": ("nor_conv_3x3", "nor_conv_1x1"),
    r"(?:skip|residual|identity)(?:[ -]connections?)?\b|skips\b|shortcuts?\b": ("skip_connect",),
    r"none\b|zeroi[sz]e\b|zero operations?\b|no (?:operation|connection)\b": ("none",),
}
"""Patterns of words for operations, tried in order after the names themselves."""
_EDGE = re.compile(
    r"(?:\bedges? )?(?<![\w.])(\d) ?(?:->|→|>) ?(\d)(?![\w.%])"
    r"|\bedges? (?:from )?(?:node )?(\d) ?(?:to|-|–) ?(?:node )?(\d)(?![\w.%])"
)
_WHOLE_EDGE = re.compile(
    r"\bedge (?:from )?(?:the )?input to (?:the )?output\b"
    r"|(?<!path )\bfrom (?:the )?input to (?:the )?output\b"
)


def read(
    text: str, operations: Sequence[str], edges: Sequence[str]
) -> tuple[Topic, tuple[str, ...], str]:
    """The topic of a text in lower case, a note on edges there are not, and the rest of the text.

    Args:
        text: the question.
        operations: names of the space's operations.
        edges: its edges, like `1>4`, from the first node's to the last node's.
    """
    named: dict[str, None] = {}
    for pattern, meant in [*((_exact(name), (name,)) for name in operations), *_spelt(operations)]:
        text, times = re.subn(rf"(?<![\w.])(?:{pattern})", " ; ", text)
        if times:
            named |= dict.fromkeys(meant)
    asked = {f"{m[1] or m[3]}>{m[2] or m[4]}": None for m in _EDGE.finditer(text)}
    text = _EDGE.sub(" ; ", text)
    if edges and _WHOLE_EDGE.search(text):
        asked[f"{edges[0].partition('>')[0]}>{edges[-1].partition('>')[2]}"] = None
        text = _WHOLE_EDGE.sub(" ; ", text)
    unknown = [edge for edge in asked if edge not in edges]
    notes = (f"no edge {', '.join(unknown)}: edges are {', '.join(edges)}",) if unknown else ()
    known = tuple(edge for edge in asked if edge in edges)
    return Topic(operations=tuple(named), edges=known), notes, text


def _exact(name: str) -> str:
    return rf"{re.escape(name.lower())}(?!\w)"


def _spelt(operations: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Spellings of operations that the space has."""
    return [(pattern, meant) for pattern, meant in _SPELLINGS.items() if {*meant} <= {*operations}]
