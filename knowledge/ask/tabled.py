"""Effects worked out for a question: on a device from its own table, on size from the space.

The conditions are those of the store's claims about the space, and every step of every choice;
the pairs are the same that claims are tested on.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from llm_nas.claims import Claim, Effect, Scope
from llm_nas.domain import Arch, FloatArray
from llm_nas.knowledge.ask.finding import Finding, accuracy_of, advice_for
from llm_nas.knowledge.ask.query import Query
from llm_nas.knowledge.ask.words import mentions
from llm_nas.knowledge.claims.evidence import table_changes
from llm_nas.knowledge.claims.pairs import FEWEST, Pair, PairSource
from llm_nas.knowledge.claims.proposals import grid, turned
from llm_nas.knowledge.memory import tables
from llm_nas.ports import Device

MOST_BELIEVED = 200
"""Claims of the store whose conditions are looked at."""
_Z90 = 1.6448536269514722
"""Half width of a 90 % interval, in standard errors."""


def by_device(
    db: sqlite3.Connection, pairs: PairSource, device: Device, query: Query
) -> tuple[Finding, ...]:
    """What conditions do to latency on a device whose table is known, largest effect first."""
    scope = Scope(space=pairs.space.name, devices=(device.name,))
    steps = list(grid(pairs.space, "latency", scope))
    effect = Effect(objective="latency", direction="raises")
    believed = [
        row.claim.model_copy(update={"scope": scope, "effect": effect})
        for row in tables.claims_in(db, pairs.space.name)
        if row.status in ("supported", "trusted") and not row.claim.scope.niches
    ]
    claims = {c.condition.model_dump_json(): c for c in [*steps, *believed[:MOST_BELIEVED]]}

    def changes(of: Sequence[Pair]) -> FloatArray:
        return table_changes(device, of)

    return _findings(db, pairs, _about(claims.values(), query), changes, (query, "ms"))


def by_size(pairs: PairSource, query: Query) -> tuple[Finding, ...]:
    """What every step of every choice does to the parameters, largest effect first."""
    if "params_m" not in {info.name for info in pairs.space.quantities_info}:
        return ()

    def changes(of: Sequence[Pair]) -> FloatArray:
        having = _params(pairs, [p.having for p in of])
        return having - _params(pairs, [p.without for p in of])

    claims = list(grid(pairs.space, "latency", Scope(space=pairs.space.name)))
    return _findings(None, pairs, _about(claims, query), changes, (query, "M parameters"))


def _params(pairs: PairSource, archs: Sequence[Arch]) -> FloatArray:
    return pairs.space.quantities(archs)["params_m"]


def _about(claims: Iterable[Claim], query: Query) -> list[Claim]:
    """Claims whose statement names the topic; all where none does."""
    told = {claim.key: claim for claim in claims}
    named = mentions(query.topic, {key: claim.statement for key, claim in told.items()})
    return [claim for key, claim in told.items() if key in named or not named]


def _findings(
    db: sqlite3.Connection | None,
    pairs: PairSource,
    claims: Sequence[Claim],
    changes: Callable[[Sequence[Pair]], FloatArray],
    wanted: tuple[Query, str],
) -> tuple[Finding, ...]:
    query, unit = wanted
    found: list[Finding] = []
    for claim in claims:
        drawn = pairs.of(claim)
        values = changes(drawn.pairs) if drawn else np.zeros(0)
        if len(values) < FEWEST:
            continue
        mean = float(values.mean())
        half = _Z90 * float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))
        told = claim if mean * claim.effect.sign >= 0 else turned(claim)
        size = unit != "ms"
        found.append(
            Finding(
                id="",
                statement=_worded(told, "size" if size else "latency"),
                status="computed",
                advice=advice_for("size" if size else "latency", mean, query),
                objective="size" if size else "latency",
                effect=mean,
                low=mean - half,
                high=mean + half,
                unit=unit,
                accuracy_effect=accuracy_of(db, claim) if db is not None else None,
                trainings=0,
                pairs_for=int((values * mean > 0).sum()),
                pairs_against=int((values * mean < 0).sum()),
                why=f"mean over {len(values)} drawn pairs",
            )
        )
    return tuple(sorted(found, key=lambda f: -abs(f.effect)))


def _worded(claim: Claim, objective: str) -> str:
    return claim.statement.replace("latency", objective)
