"""Which claims a question names in words, before meaning is asked for."""

import math
import re
from collections.abc import Mapping

MOST_NAMED = 0.7
"""Share of the words that the best match names from which a claim is about the topic, too."""
_DEPTH, _WIDTH = ("layers", "depth", "blocks"), ("expansion", "channels", "width", "embed")
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("deep", "deeper", "depth", "layer", "layers"), _DEPTH),
    **dict.fromkeys(("wide", "wider", "width", "channels"), _WIDTH),
    **dict.fromkeys(("pooling", "pool", "pools"), ("pool", "avg")),
    **dict.fromkeys(("convolution", "convolutions", "conv"), ("conv", "convolution")),
}
"""Words of the field that spaces spell differently."""
_GLUE = frozenset({"and", "of", "the", "in", "or", "to", "at", "least"})


def mentions(topic: str, statements: Mapping[str, str]) -> dict[str, float]:
    """Claims that name most of what a topic names, and how much of it, in (0, 1], by id.

    A word that few statements have counts more than one that most have.
    """
    words = {key: _words(statement) for key, statement in statements.items()}
    weights: dict[str, float] = {}
    for word in _words(topic):
        having = sum(_has(told, word) for told in words.values())
        weights[word] = math.log(1.0 + len(words) / having) if having else 0.0
    sums = {k: sum(w for word, w in weights.items() if _has(t, word)) for k, t in words.items()}
    most = max(sums.values(), default=0.0)
    return {key: told / most for key, told in sums.items() if most and told >= MOST_NAMED * most}


def _words(text: str) -> frozenset[str]:
    """Lower-case words of a text; compounds in parts as well."""
    whole = [word.lower().strip("(),.?") for word in text.split()]
    parts = [part for word in whole for part in re.split(r"[-_]", word)]
    return frozenset(word for word in (*whole, *parts) if len(word) > 1 and word not in _GLUE)


def _has(told: frozenset[str], word: str) -> bool:
    """Whether a word, one that begins like it or a synonym is among some words."""
    same = SYNONYMS.get(word, (word,))
    return any(a in told or (len(a) > 3 and any(t[:4] == a[:4] for t in told)) for a in same)
