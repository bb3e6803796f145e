"""Meaning and rank together: how a question in words orders claims."""

import sqlite3
from collections.abc import Sequence

from llm_nas.knowledge import embedding
from llm_nas.knowledge.projection import rows_of
from llm_nas.knowledge.ranking import Asker, Candidate, in_scope

FLOOR = 0.05
"""Rank of a claim without any evidence: a perfect match in words still counts."""


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
    found = {c.id: c for c in in_scope(db, [key for key, _ in near], asker)}
    found |= {c.id: c for c in ranked}
    rows = rows_of(db, list(found))
    closeness = embedding.embed([text]) @ embedding.embed([r.claim.statement for r in rows]).T
    blended = [
        Candidate(c.id, (FLOOR + c.score) * max(float(like), 0.0) ** 2, c.match, c.place)
        for row, like in zip(rows, closeness[0], strict=True)
        for c in (found[row.id],)
    ]
    return sorted(blended, key=lambda c: (-c.score, c.id))
