"""Meaning and rank together: how a question in words orders claims."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_nas.knowledge import embedding
from llm_nas.knowledge.projection import bodies_of
from llm_nas.knowledge.ranking import Asker, Candidate, in_scope

FLOOR = 0.05
"""Rank of a claim without any evidence: a perfect match in words still counts."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the index found, and what people should know about it."""

    near: Sequence[tuple[str, float]] = ()
    """`(id, cosine similarity)`, best first."""
    notes: tuple[str, ...] = ()


def blend(
    db: sqlite3.Connection,
    text: str,
    ranked: Sequence[Candidate],
    near: Sequence[tuple[str, float]],
    asker: Asker,
) -> list[Candidate]:
    """Order candidates by rank and the square of their similarity to a text.

    Args:
        db: the store's tables.
        text: the question.
        ranked: candidates by rank alone, whatever they mean.
        near: `(id, similarity)` from the index, whatever their scope.
        asker: decides which of `near` are in scope.
    """
    like = dict(near)
    found = {c.id: c for c in in_scope(db, list(like), asker)} | {c.id: c for c in ranked}
    unknown = [key for key in found if key not in like]
    bodies = bodies_of(db, unknown)
    told = embedding.embed([bodies[key].statement for key in unknown])
    like |= zip(unknown, (told @ embedding.embed([text])[0]).tolist(), strict=True)
    blended = [
        replace(c, score=(FLOOR + c.score) * max(like[c.id], 0.0) ** 2) for c in found.values()
    ]
    return sorted(blended, key=lambda c: (-c.score, c.id))
