"""One claim as an answer, and what the question makes of it."""

import json
import sqlite3
from typing import Literal

from llm_nas.claims import Claim, Status
from llm_nas.domain import Arch
from llm_nas.frozen import Frozen
from llm_nas.knowledge.ask.query import Query
from llm_nas.knowledge.memory import tables


class Finding(Frozen):
    """One claim as an answer: what its condition does, and whether to follow it."""

    id: str
    """Id of the claim; empty for an effect worked out from a table for this answer."""
    statement: str
    status: Status | Literal["computed"]
    advice: Literal["use", "avoid"] | None
    """Whether networks should meet the condition; None when the question has no goal."""
    objective: str
    effect: float
    low: float
    high: float
    """90 % interval of the effect of switching the condition on; signed, in `unit`."""
    unit: str
    accuracy_effect: float | None = None
    """What it does to accuracy, in points, where a claim about latency is told."""
    trainings: int
    pairs_for: int
    pairs_against: int
    labels: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    examples: tuple[Arch, ...] = ()
    why: str = ""


def advice_for(objective: str, effect: float, query: Query) -> Literal["use", "avoid"] | None:
    """Whether an effect serves the goal."""
    if query.goal is None or effect == 0.0:
        return None
    wanted = 1 if objective == "accuracy" else -1
    return "use" if effect * wanted > 0 else "avoid"


def accuracy_of(db: sqlite3.Connection, claim: Claim) -> float | None:
    """Mean effect of a claim's condition on accuracy, by the claim that speaks of it."""
    effect = claim.effect.model_copy(update={"objective": "accuracy"})
    scope = claim.scope.model_copy(update={"devices": ()})
    same = claim.model_copy(update={"effect": effect, "scope": scope})
    rows = db.execute(
        "SELECT id, evidence FROM claim WHERE topic = ? ORDER BY score DESC", (tables.topic(same),)
    )
    for _, evidence in rows:
        body = json.loads(evidence)
        if body["method"] != "none":
            return float(body["mean_effect"])
    return None
