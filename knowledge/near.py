"""Claims that are nearly the same: one is shown, the others are named with it.

Equal claims meet by key or by the cells they take in when they are learned. Two claims are
*near* when they say the same (objective, direction, scope) of nearly the same cells: their
conditions agree on 95 % of the cells that either takes in. Closeness in words alone is no
proof ('at least 2' and 'at most 2' read alike), so the embedding only finds whom to compare.
Evidence is never added up: each claim's own rests on all cells of the store already, and a
pair counted under both would count twice. The stronger claim speaks for both.
"""

import json
from collections.abc import Sequence

import numpy as np

from llm_nas.claims import Claim, Heuristic
from llm_nas.knowledge.answer import Twin
from llm_nas.knowledge.eventlog import Event
from llm_nas.knowledge.world import World

LEAST_OVERLAP = 0.95
"""Cells both take in, as a share of those either does."""


def overlap(world: World, one: Claim, other: Claim) -> float:
    """Share of cells on which two claims of one scope agree; 0 where either is unknown here."""
    first, second = world.question(one), world.question(other)
    if first is None or second is None:
        return 0.0
    a, b = first.mask & first.inside, second.mask & second.inside
    return float(np.sum(a & b) / np.sum(a | b))


def fold(
    world: World, found: Sequence[Heuristic], most: int
) -> list[tuple[Heuristic, tuple[Twin, ...]]]:
    """The first `most` heuristics that differ, in order, each with those folded into it."""
    kept: list[tuple[Heuristic, list[Twin]]] = []
    for heuristic in found:
        for first, twins in kept:
            if twin := twin_of(world, first, heuristic):
                twins.append(twin)
                break
        else:
            kept.append((heuristic, []))
            if len(kept) > most:
                break
    return [(heuristic, tuple(twins)) for heuristic, twins in kept[:most]]


def twins(
    world: World, kept: Heuristic, others: Sequence[Heuristic], events: Sequence[Event]
) -> tuple[Twin, ...]:
    """Claims that became one with `kept` (its events tell), then those of `others` near to it."""
    equal: list[Twin] = []
    for event in events:
        if event.kind == "duplicate":
            body = json.loads(event.body)
            statement = str(body["reason"]).removeprefix("same as ")
            equal.append(Twin(id=body["alias"], statement=statement, overlap=1.0))
    close = [twin for other in others if (twin := twin_of(world, kept, other))]
    return (*equal, *sorted(close, key=lambda twin: (-twin.overlap, twin.id)))


def twin_of(world: World, first: Heuristic, other: Heuristic) -> Twin | None:
    """`other` as a twin of `first`; None when they say different things."""
    if first.id == other.id or _says(first.claim) != _says(other.claim):
        return None
    share = overlap(world, first.claim, other.claim)
    if share < LEAST_OVERLAP:
        return None
    return Twin(id=other.id, statement=other.claim.statement, overlap=share)


def _says(claim: Claim) -> tuple[object, ...]:
    scope = claim.scope
    places = tuple(tuple(sorted(names)) for names in (scope.datasets, scope.devices, scope.niches))
    return claim.effect.objective, claim.effect.direction, scope.space, places
