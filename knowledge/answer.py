"""What a question is answered with: findings, their effects, examples and what was left out."""

from typing import Literal

from llm_nas.claims import Heuristic, Objective
from llm_nas.domain import Frozen
from llm_nas.knowledge.explain import Seen
from llm_nas.knowledge.query import Query

Verdict = Literal["within", "perhaps", "beyond", "unknown"]
"""Interval within a limit, mean within it, mean beyond it, nothing measured."""


class MeasuredEffect(Frozen):
    """What following a finding does to one objective; signed, in % of accuracy or ms."""

    objective: Objective
    mean: float
    low: float
    high: float
    """90 % interval."""
    n_for: int
    """Measured pairs (or cells, where there are none) that agree with the sign of `mean`."""
    n_against: int
    cells: int
    places: int
    """Contexts (a dataset on a device) in which these cells were measured."""
    basis: str
    """`claim ID`, or 'cells' when worked out from measured cells for this answer."""
    verdict: Verdict | None = None
    """How it stands to the limits of the question; None without one."""


class Twin(Frozen):
    """Another claim that says the same, and on what share of the cells it does."""

    id: str
    statement: str
    overlap: float


class Finding(Frozen):
    """One claim as an answer."""

    heuristic: Heuristic
    advice: Literal["use", "avoid"] | None
    """Whether cells should meet the condition; None when the question names no direction."""
    effects: tuple[MeasuredEffect, ...]
    """Of following the advice: on the claim's own objective first."""
    examples: tuple[Seen, ...]
    """Measured cells that follow the advice within the limits, best first."""
    twins: tuple[Twin, ...] = ()
    """Claims folded into this one; their evidence is not added to it."""


class Answer(Frozen):
    """An answer whose every statement carries the id of a claim or a measured cell."""

    query: Query
    understood: str
    notes: tuple[str, ...] = ()
    """One line each: what was not understood, unknown or left out."""
    findings: tuple[Finding, ...] = ()
