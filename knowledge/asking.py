"""From a typed query to an answer: candidates by rank and meaning, effects, limits, examples.

Code alone decides. A claim answers when following it ('use' its condition or 'avoid' it) moves
an objective the question names, and none of its measured effects breaks a limit.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import DATASETS, DEVICES, FloatArray
from llm_nas.knowledge import cells, near, projection, ranking
from llm_nas.knowledge.answer import Answer, Finding, Twin
from llm_nas.knowledge.explain import Seen
from llm_nas.knowledge.grammar import Names
from llm_nas.knowledge.measured import Measured
from llm_nas.knowledge.query import Goal, Query
from llm_nas.knowledge.ranking import Asker, Candidate
from llm_nas.knowledge.remarks import named, remarks
from llm_nas.knowledge.semantic import Found, blend
from llm_nas.knowledge.side_effects import Effects, advice_of, effects_of, objectives_of
from llm_nas.knowledge.world import World

_PARTS_OF_CELLS = frozenset(
    "edge edges path paths input output node nodes average operation operations pooling skip conv "
    "convolution convolutions accuracy latency energy error speed which every each all".split()
)
EXAMPLE = "lower latency on pixel3"
"""A question everybody may begin with."""
ROUNDS = (8, 24)
"""Candidates whose effects are worked out, best by rank and meaning first; more in a second
round when too many of the first break a limit."""
EXAMPLES = 3
_FIT = {"within": 1.0, "perhaps": 0.6, "unknown": 0.25, "beyond": 0.0}
"""Factor on a claim's rank for how its effects stand to the limits."""
_NO_EXAMPLE = 0.5
"""Factor when cells were measured, but none that follows the claim keeps within the limits."""
_TOPIC = 64
"""Claims looked through, best first, for those about the operations and edges of a question."""
_LEAST_LIKE = 0.25
"""Similarity of the nearest claim below which words without a goal say nothing here: 'skip'
has 0.47, 'operations near the output' 0.31, 'hello' 0.22, 'purple monkey dishwasher' 0.09."""
_OTHER = 0.3
"""Factor for a claim that moves nothing the question names, found by meaning alone."""


def names(db: sqlite3.Connection, world: World, measured: Measured) -> Names:
    """Every name a question may use here: the benchmark's and the store's own."""
    places = [context.partition("/")[::2] for context in cells.contexts(db)]
    places += [(dataset, device) for dataset, device, _ in measured.scopes]
    datasets = dict.fromkeys([*DATASETS, *(d for d, _ in places if d)])
    devices = dict.fromkeys([*DEVICES, *(d for _, d in places if d)])
    niches = dict.fromkeys(niche.id for niche in world.partition.niches)
    niches |= dict.fromkeys(niche for *_, niche in measured.scopes if niche)
    others = {*world.space.operations, *world.space.edges, *_PARTS_OF_CELLS}
    return Names(
        tuple(datasets),
        tuple(devices),
        tuple(niches),
        frozenset(others),
        world.space.operations,
        world.space.edges,
    )


@dataclass(frozen=True, eq=False)
class Library:
    """What answering reads."""

    world: World
    measured: Measured
    meaning: Callable[[str], Found]
    """Claims nearest in meaning to a sentence."""


class _Folded(NamedTuple):
    """A candidate with its near duplicates."""

    candidate: Candidate
    heuristic: Heuristic
    twins: tuple[Twin, ...]


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A candidate with what following it does."""

    candidate: Candidate
    heuristic: Heuristic
    twins: tuple[Twin, ...]
    effects: Effects
    examples: tuple[Seen, ...]
    fit: float


def answer(db: sqlite3.Connection, library: Library, query: Query, asker: Asker, k: int) -> Answer:
    """The best `k` findings on a query, each within its limits or not known to break them."""
    query = _with_goals(query)
    notes = [*query.notes, *remarks(db, library.measured, query, asker)]
    pool = _candidates(db, library, query, asker, notes, max(ROUNDS[-1], 3 * k))
    found = projection.heuristics(db, [c.id for c in pool])
    alive = [(c, h) for c, h in zip(pool, found, strict=True) if not h.benched]
    kept: dict[str, _Weighed] = {}
    looked_at = 0
    for most in ROUNDS:
        folded = _folded(library.world, alive, max(most, k))[looked_at:]
        weighed = _weigh(db, library, query, folded)
        kept |= {one.heuristic.id: one for one in weighed if one.fit > 0}
        looked_at += len(weighed)
        if len(kept) >= k:
            break
    if len(kept) < looked_at:
        notes.append(f"{looked_at - len(kept)} claims left out: measured to break a limit")
    scored = [
        (replace(one.candidate, score=one.candidate.score * one.fit), one.heuristic)
        for one in kept.values()
    ]
    findings = [
        Finding(
            heuristic=heuristic,
            advice=advice_of(heuristic, query),
            effects=kept[heuristic.id].effects,
            examples=kept[heuristic.id].examples,
            twins=kept[heuristic.id].twins,
        )
        for heuristic in ranking.choose(scored, k, None)
    ]
    return Answer(
        query=query, understood=query.words, notes=tuple(notes), findings=tuple(findings)
    )


def _with_goals(query: Query) -> Query:
    """A question of limits alone wants what keeps within them."""
    if query.goals or not query.limits:
        return query
    goals = [
        Goal(
            objective=limit.objective,
            direction="raises" if limit.relation == "at least" else "lowers",
        )
        for limit in query.limits
        if limit.of == "value" or limit.amount
    ]
    return query.model_copy(update={"goals": tuple(dict.fromkeys(goals))})


def _candidates(
    db: sqlite3.Connection,
    library: Library,
    query: Query,
    asker: Asker,
    notes: list[str],
    most: int,
) -> list[Candidate]:
    """Claims in the running: by rank, and by meaning where words are left to look up."""
    about = query.about
    read = _TOPIC if about else most
    ranked = ranking.candidates(db, asker, read, objectives_of(query), library.measured.scopes)
    if (query.goals and not query.rest and not about) or query.vague:
        return ranked[:most]
    found = library.meaning(query.sentence)
    notes += found.notes
    if about:
        kept = _about(db, query, [c.id for c in ranked] + [key for key, _ in found.near])
        if not kept:
            notes.append(f"no claim here is about {about.words}")
        ranked = [c for c in ranked if c.id in kept]
        near_by = [(key, like) for key, like in found.near if key in kept]
        return blend(db, query.sentence, ranked, near_by, asker)[:most]
    likest = max((like for _, like in found.near), default=1.0)
    if not query.goals and not query.familiar and likest < _LEAST_LIKE:
        notes.append(f"not understood: {query.rest!r}; ask for example {EXAMPLE!r}")
        return ranked[:most] if query.placed else []
    return blend(db, query.sentence, ranked, found.near, asker)[:most]


def _about(db: sqlite3.Connection, query: Query, keys: list[str]) -> set[str]:
    """Those of some claims whose condition speaks of what the question is about."""
    bodies = projection.bodies_of(db, keys)
    return {key for key, claim in bodies.items() if query.about.takes(claim)}


def _folded(
    world: World, pairs: Sequence[tuple[Candidate, Heuristic]], most: int
) -> list[_Folded]:
    """The first `most` candidates that differ, each with its near duplicates."""
    candidate = {heuristic.id: c for c, heuristic in pairs}
    folded = near.fold(world, [heuristic for _, heuristic in pairs], most)
    return [_Folded(candidate[heuristic.id], heuristic, twins) for heuristic, twins in folded]


def _weigh(
    db: sqlite3.Connection, library: Library, query: Query, folded: Sequence[_Folded]
) -> list[_Weighed]:
    """Candidates with their effects, examples and fit, in the order given."""
    effects = effects_of(db, library.measured, query, [one.heuristic for one in folded])
    found: list[_Weighed] = []
    for one in folded:
        examples, fit = _examples(library, query, one.heuristic)
        verdicts = [e.verdict for e in effects[one.heuristic.id] if e.verdict is not None]
        fit *= min((_FIT[verdict] for verdict in verdicts), default=1.0)
        if query.goals and one.heuristic.claim.effect.objective not in objectives_of(query):
            fit *= _OTHER
        found.append(_Weighed(*one, effects[one.heuristic.id], examples, fit))
    return found


def _examples(
    library: Library, query: Query, heuristic: Heuristic
) -> tuple[tuple[Seen, ...], float]:
    """Measured cells that follow the advice within the limits, and the fit they leave."""
    claim = heuristic.claim
    question = library.world.question(claim)
    datasets = named(query.dataset) or claim.scope.datasets
    devices = named(query.device) or claim.scope.devices
    runs = library.measured.runs(datasets, devices) or library.measured.runs(
        claim.scope.datasets, claim.scope.devices
    )
    if question is None or not runs:
        return (), 1.0
    one_place = tuple(
        r for r in runs if (r.dataset, r.device) == (runs[0].dataset, runs[0].device)
    )
    seen = library.measured.cells(one_place)
    keep = question.inside[seen.numbers] & (
        question.mask[seen.numbers] != (advice_of(heuristic, query) == "avoid")
    )
    values = {"accuracy": seen.accuracy_pct, "latency": seen.latency_ms}
    best = {"accuracy": seen.accuracy_pct.max(), "latency": seen.latency_ms.min()}
    for limit in query.limits:
        if limit.objective in values:
            against = best[limit.objective] if limit.of == "change" else 0.0
            bound = limit.model_copy(update={"amount": limit.amount + against})
            if limit.of == "value" or (limit.objective == "accuracy" and limit.amount <= 0):
                keep &= np.array([bound.holds(v) for v in values[limit.objective].tolist()])
    examples = seen.pick(keep, _order(query, seen.accuracy_pct, seen.latency_ms), EXAMPLES)
    bounded = any(limit.of == "value" for limit in query.limits)
    return examples, _NO_EXAMPLE if bounded and not examples else 1.0


def _order(query: Query, accuracy_pct: FloatArray, latency_ms: FloatArray) -> FloatArray:
    """`(n,)`: small for the cells to show first.

    A goal whose other objective is bounded is followed alone; otherwise distance from the best
    measured values of both, each in shares of its range.
    """
    slow = (latency_ms - latency_ms.min()) / (np.ptp(latency_ms) or 1.0)
    wrong = (accuracy_pct.max() - accuracy_pct) / (np.ptp(accuracy_pct) or 1.0)
    wanted = {goal.objective for goal in query.goals}
    bounded = {limit.objective for limit in query.limits}
    if wanted == {"latency"} and "accuracy" in bounded:
        return np.asarray(slow)
    if wanted == {"accuracy"} and "latency" in bounded:
        return np.asarray(wrong)
    return np.asarray(np.hypot(slow, wrong))
