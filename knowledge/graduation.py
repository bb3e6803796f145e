"""Trusted claims compiled to distributions over operations: they need no model and no store.

A claim about one edge shifts the log-odds of that operation there; a claim about a count or a path
shifts the operation on every edge. The shift is the claim's effect in spreads of its
objective, times how sure it is; accuracy up and latency down are welcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.claims import Heuristic, OpAt, OpCount, OpOnPath
from llm_nas.domain import FloatArray
from llm_nas.ports import SearchSpace

STRENGTH = 1.5
"""Log-odds of a certain effect as large as the objective's spread."""
MOST_SHIFT = 2.0
"""Largest log-odds any operation may collect: nothing is ever ruled out."""


@dataclass(frozen=True, slots=True)
class Graduate:
    """Operation probabilities per edge, `(edges, operations)`; rows sum to 1."""

    by_edge: FloatArray
    claims: tuple[str, ...]
    """Ids of the claims it was compiled from."""

    def named(self, space: SearchSpace) -> dict[str, dict[str, float]]:
        """Probabilities by names of edges and operations."""
        return {
            edge: dict(zip(space.operations, row, strict=True))
            for edge, row in zip(space.edges, self.by_edge.tolist(), strict=True)
        }

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """A cell, every edge drawn on its own."""
        draws = rng.random(len(self.by_edge))
        passed = self.by_edge.cumsum(axis=1) < draws[:, None]
        last = self.by_edge.shape[1] - 1
        return tuple(min(int(count), last) for count in passed.sum(axis=1).tolist())

    def mutate(self, cell: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
        """The cell with one uniformly chosen edge changed, the new operation by weight."""
        edge = int(rng.integers(len(cell)))
        weights = self.by_edge[edge].copy()
        weights[cell[edge]] = 0.0
        changed = int(rng.choice(len(weights), p=weights / weights.sum()))
        return (*cell[:edge], changed, *cell[edge + 1 :])


def graduate(
    space: SearchSpace,
    heuristics: Sequence[Heuristic],
    *,
    trusted_only: bool = True,
    latency_share: float = 0.5,
) -> Graduate:
    """Compile heuristics; without a usable one the distribution is uniform.

    Args:
        space: names edges and operations.
        heuristics: claims on other conditions than one operation are left out.
        trusted_only: take 'trusted' claims only, not 'supported' ones.
        latency_share: weight of latency against accuracy, in [0, 1].
    """
    believed = ("trusted",) if trusted_only else ("trusted", "supported")
    shift = np.zeros((len(space.edges), len(space.operations)))
    used: list[str] = []
    for heuristic in heuristics:
        if heuristic.status not in believed or heuristic.benched:
            continue
        if _apply(space, heuristic, latency_share, shift):
            used.append(heuristic.id)
    odds = np.exp(np.clip(shift, -MOST_SHIFT, MOST_SHIFT))
    return Graduate(odds / odds.sum(axis=1, keepdims=True), tuple(used))


def _apply(
    space: SearchSpace, heuristic: Heuristic, latency_share: float, shift: FloatArray
) -> bool:
    """Add one claim's log-odds to `shift`; False when it does not name a single operation."""
    condition, evidence = heuristic.claim.condition, heuristic.evidence
    share = 1.0 - latency_share
    if heuristic.claim.effect.objective != "accuracy":
        share = -latency_share
    if evidence.spread <= 0 or not isinstance(condition, OpAt | OpCount | OpOnPath):
        return False
    if condition.op not in space.operations:
        return False
    sure = 1.0 - 2.0 * min(evidence.p_value or 0.0, 0.5)
    amount = STRENGTH * share * sure * evidence.mean_effect / evidence.spread
    operation = space.operations.index(condition.op)
    if isinstance(condition, OpAt):
        if condition.edge not in space.edges:
            return False
        shift[space.edges.index(condition.edge), operation] += amount
        return True
    if isinstance(condition, OpCount) and condition.relation == "le":
        amount = -amount
    shift[:, operation] += amount / len(space.edges)
    return True
