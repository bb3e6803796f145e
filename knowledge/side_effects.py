"""What following a claim does to every objective a question names, from evidence.

An effect is taken from the claim itself, else from a claim on the same condition and scope,
else worked out from the cells of the newest runs by the same regression that tests claims.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from llm_nas.claims import Claim, Effect, Evidence, Heuristic, Objective
from llm_nas.knowledge.answer import MeasuredEffect, Verdict
from llm_nas.knowledge.cells import RunPlace
from llm_nas.knowledge.measured import Measured
from llm_nas.knowledge.query import Limit, Query

Effects: TypeAlias = tuple[MeasuredEffect, ...]
_ALWAYS: tuple[Objective, ...] = ("accuracy", "latency")


def objectives_of(query: Query) -> tuple[Objective, ...]:
    """Objectives that a claim must be about to answer."""
    return tuple(dict.fromkeys(goal.objective for goal in query.goals))


def advice_of(heuristic: Heuristic, query: Query) -> Literal["use", "avoid"] | None:
    """Whether cells should meet a claim's condition; measured evidence goes before its words."""
    evidence, effect = heuristic.evidence, heuristic.claim.effect
    for goal in query.goals:
        if goal.objective == effect.objective and goal.direction is not None:
            rises = evidence.mean_effect > 0 if evidence.method != "none" else effect.sign > 0
            return "use" if rises == (goal.direction == "raises") else "avoid"
    return None


def effects_of(
    db: sqlite3.Connection, measured: Measured, query: Query, found: Sequence[Heuristic]
) -> dict[str, Effects]:
    """By id: effects on the claim's own objective, then on the others asked for."""
    sides: dict[tuple[str, Objective], Claim] = {
        (h.id, o): _side(h.claim, o) for h in found for o in _others(h.claim, query)
    }
    told = _told(db, sides)
    asked = {
        f"{key} {objective}": (claim, _runs(measured, claim, query))
        for (key, objective), claim in sides.items()
        if (key, objective) not in told
    }
    computed = measured.effects(asked)
    effects: dict[str, Effects] = {}
    for heuristic in found:
        sign = -1 if advice_of(heuristic, query) == "avoid" else 1
        claim = heuristic.claim
        own = _Told(heuristic.evidence, f"claim {heuristic.id}", claim.effect.sign)
        rows: dict[Objective, _Told] = {claim.effect.objective: own}
        for objective in _others(claim, query):
            key = f"{heuristic.id} {objective}"
            rows[objective] = told.get((heuristic.id, objective)) or _Told(computed[key])
        effects[heuristic.id] = tuple(
            _effect(query, objective, row, sign) for objective, row in rows.items()
        )
    return effects


class _Told(NamedTuple):
    """Evidence of an effect, where it comes from, and the sign its votes are for."""

    evidence: Evidence
    basis: str = "cells"
    votes_for: int = 1


def _others(claim: Claim, query: Query) -> tuple[Objective, ...]:
    """Accuracy, latency and whatever else a question names, beside a claim's own objective."""
    named: list[Objective] = [*_ALWAYS, *objectives_of(query)]
    named.extend(limit.objective for limit in query.limits)
    others: list[Objective] = []
    for objective in named:
        if objective != claim.effect.objective and objective not in others:
            others.append(objective)
    return tuple(others)


def _side(claim: Claim, objective: Objective) -> Claim:
    """The same condition as a claim about another objective; accuracy belongs to no device."""
    devices = () if objective == "accuracy" else claim.scope.devices
    return claim.model_copy(
        update={
            "effect": Effect(objective=objective, direction="raises"),
            "scope": claim.scope.model_copy(update={"devices": devices}),
        }
    )


def _told(
    db: sqlite3.Connection, sides: dict[tuple[str, Objective], Claim]
) -> dict[tuple[str, Objective], _Told]:
    """Evidence of claims in the store that say a side effect."""
    keys = {
        key: [
            claim.model_copy(
                update={"effect": claim.effect.model_copy(update={"direction": way})}
            ).key
            for way in ("raises", "lowers")
        ]
        for key, claim in sides.items()
    }
    rows = db.execute(
        "SELECT id, evidence FROM claim WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps([k for both in keys.values() for k in both]),),
    )
    known = {key: Evidence.model_validate_json(body) for key, body in rows}
    return {
        key: _Told(known[one], f"claim {one}", votes_for)
        for key, both in keys.items()
        for one, votes_for in zip(both, (1, -1), strict=True)
        if one in known and known[one].method != "none"
    }


def _runs(measured: Measured, claim: Claim, query: Query) -> tuple[RunPlace, ...]:
    datasets = claim.scope.datasets or ((query.dataset,) if query.dataset else ())
    devices = claim.scope.devices or ((query.device,) if query.device else ())
    return measured.runs(datasets, devices if claim.effect.objective != "accuracy" else ())


def _effect(query: Query, objective: Objective, told: _Told, sign: int) -> MeasuredEffect:
    evidence = told.evidence
    bounds = sorted((sign * evidence.low, sign * evidence.high))
    votes = evidence.n_for, evidence.n_against
    if told.votes_for * evidence.mean_effect < 0:
        votes = votes[::-1]
    effect = MeasuredEffect(
        objective=objective,
        mean=sign * evidence.mean_effect,
        low=bounds[0],
        high=bounds[1],
        n_for=votes[0],
        n_against=votes[1],
        cells=evidence.cells,
        places=len(evidence.contexts),
        basis=told.basis if evidence.method != "none" else "untested",
    )
    verdicts = list(_verdicts(query, effect))
    worst = min(verdicts, key=("beyond", "unknown", "perhaps", "within").index, default=None)
    return effect.model_copy(update={"verdict": worst})


def _verdicts(query: Query, effect: MeasuredEffect) -> Iterator[Verdict]:
    """How an effect stands to every limit on its objective; other goals are limits too."""
    limits = [x for x in query.limits if x.of == "change" and x.objective == effect.objective]
    for goal in query.goals:
        if goal.objective == effect.objective and goal.direction is not None:
            relation = "at least" if goal.direction == "raises" else "at most"
            fields = {"objective": goal.objective, "of": "change", "relation": relation}
            limits.append(Limit.model_validate(fields | {"amount": 0.0}))
    for limit in limits:
        if effect.basis == "untested":
            yield "unknown"
        elif not limit.holds(effect.mean):
            yield "beyond"
        else:
            yield "within" if limit.holds(effect.low) and limit.holds(effect.high) else "perhaps"
