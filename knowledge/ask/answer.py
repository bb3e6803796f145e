"""A question answered: trained networks, claims with their effects, and what people should know.

Every figure is a training of this store, a claim's evidence, or worked out for the question from
a device's own table; nothing is taken from another device in its place.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_nas.claims import Claim, Heuristic, Objective
from llm_nas.domain import Arch
from llm_nas.frozen import Frozen
from llm_nas.knowledge.ask import networks, tabled
from llm_nas.knowledge.ask.explain import Seen, explain
from llm_nas.knowledge.ask.finding import Finding, accuracy_of, advice_for
from llm_nas.knowledge.ask.index import Changes, Index
from llm_nas.knowledge.ask.query import Names, Query, understand
from llm_nas.knowledge.ask.words import mentions
from llm_nas.knowledge.claims.edits import unknown_in
from llm_nas.knowledge.claims.pairs import PairSource
from llm_nas.knowledge.memory import ranking, tables
from llm_nas.ports import Device, SearchSpace

RELATED = 0.35
"""Similarity in meaning from which a claim is about a topic of which none has a word."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question and what is known of it beside its words."""

    text: str
    query: Query
    device: Device | None
    k: int
    names: Names
    """Places that the store need not know, for a question to mention."""


class Answer(Frozen):
    """What `heuristics ask --json` prints."""

    understood: str
    architectures: tuple[networks.Network, ...] = ()
    claims: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    """One line each: which accuracy is meant, what is unknown, what was left out."""


def answer(
    asked: Asked,
    db: sqlite3.Connection,
    pairs: PairSource | None,
    index: Index,
    changes: Changes,
) -> Answer:
    """Understand a question and look everything up that answers it."""
    space = pairs.space if pairs else None
    query = asked.query.over(
        understand(asked.text, space, _both(names_in(db, asked.device), asked.names))
    )
    query = query.model_copy(update={"space": query.space or _only_space(db, space)})
    if asked.device is not None:
        query = query.model_copy(update={"device": asked.device.name})
    notes = _place_notes(db, query, asked.device)
    found: tuple[networks.Network, ...] = ()
    trained = networks.Trained.of(db, query, asked.device, space)
    if query.arch is not None and space is not None:
        found, lines = _about(db, space, query.arch, trained)
        notes += lines
        met = {h.id for h in explain(db, space, query.arch).claims}
    else:
        if query.wanted == "architecture":
            found, told = trained.pick(query, asked.k)
            notes += told
        met = set[str]()
    claims, lines = _claims(asked, query, db, pairs, (index, changes), met)
    notes += [*trained.notes, *lines]
    if not (found or claims):
        notes += _nothing(db, query)
    return Answer(
        understood=query.words,
        architectures=found,
        claims=claims,
        notes=tuple(dict.fromkeys(notes)),
    )


def names_in(db: sqlite3.Connection, device: Device | None = None) -> Names:
    """What a question may mention by name."""
    runs = [run for space in tables.spaces(db) for run in tables.runs(db, space)]
    scopes = db.execute("SELECT DISTINCT task, device, niche FROM claim_scope").fetchall()
    devices = {run.device for run in runs} | {row[1] for row in scopes}
    devices |= {device.name} if device else set()
    return Names(
        spaces=tuple(sorted({run.space for run in runs})),
        tasks=tuple(sorted({run.task for run in runs} | {row[0] for row in scopes} - {""})),
        devices=tuple(sorted(devices - {""})),
        niches=tuple(sorted({row[2] for row in scopes} - {""})),
    )


def _both(own: Names, others: Names) -> Names:
    fields = Names.model_fields
    return Names(**{f: tuple({*getattr(own, f), *getattr(others, f)}) for f in fields})


def _only_space(db: sqlite3.Connection, space: SearchSpace | None) -> str | None:
    if space is not None:
        return space.name
    known = tables.spaces(db)
    return known[0] if len(known) == 1 else None


def _place_notes(db: sqlite3.Connection, query: Query, table: Device | None) -> list[str]:
    """What the store does not know of the places asked about."""
    known = names_in(db)
    notes: list[str] = []
    if query.device and table is None and query.device not in known.devices:
        some = ", ".join(known.devices) or "none"
        notes.append(
            f"nothing is known of device {query.device!r} (known: {some}); its effects can be "
            f"worked out from a table: --device {query.device}=FILE.csv"
        )
    if query.task and query.task not in known.tasks:
        notes.append(
            f"no training on {query.task!r} (known: {', '.join(known.tasks) or 'none'}); claims "
            "told here are of those"
        )
    if query.space is None and len(known.spaces) > 1:
        notes.append(f"several spaces here, name one: {', '.join(known.spaces)}")
    return notes


def _nothing(db: sqlite3.Connection, query: Query) -> list[str]:
    """Why there is no answer, and what could be asked."""
    known = names_in(db)
    topic = f" about {query.topic!r}" if query.topic else ""
    places = (
        f"tasks {', '.join(known.tasks) or 'none'}; devices {', '.join(known.devices) or 'none'}"
    )
    return [f"nothing here{topic} answers that; known are {places}, others by NAME=FILE.csv"]


def _about(
    db: sqlite3.Connection, space: SearchSpace, arch: Arch, trained: networks.Trained
) -> tuple[tuple[networks.Network, ...], list[str]]:
    """A network that was asked for: itself where it was trained, else those next to it."""
    own = trained.named([arch])
    if own:
        return own, []
    story = explain(db, space, arch)
    elsewhere: Sequence[Seen] = story.trained or story.twins
    if elsewhere:
        told = [f"{s.task} on {s.device}: {s.metric} {s.value:.2f}" for s in elsewhere]
        return (), [f"trained elsewhere: {'; '.join(dict.fromkeys(told))}"]
    near = trained.named([s.arch for s in story.neighbours])
    notes = [f"{arch} was not trained here"]
    notes += ["shown: trained networks with one choice changed"] if near else []
    return near, [*notes, *(f"it failed: {why}" for why in story.failures)]


def _claims(
    asked: Asked,
    query: Query,
    db: sqlite3.Connection,
    pairs: PairSource | None,
    index: tuple[Index, Changes],
    met: set[str],
) -> tuple[tuple[Finding, ...], list[str]]:
    """Findings for a question, strongest first."""
    if pairs is not None and query.goal == "size":
        return tabled.by_size(pairs, query)[: asked.k], ["sizes are computed by the space"]
    notes: list[str] = []
    findings: tuple[Finding, ...] = ()
    table = asked.device
    if table is not None and table.exact and pairs is not None and query.goal != "accuracy":
        findings = tabled.by_device(db, pairs, table, query)
        notes.append(f"milliseconds are worked out from the table of {table.name}")
        kept, more = _harmless(findings, query)
        if query.goal == "latency":
            return kept[: asked.k], [*notes, *more]
    ranked = _ranked(query, db, index, without_latency=bool(findings))
    if met:
        ranked = [c for c in ranked if c.id in met]
    told = {h.id: h for h in tables.heuristics(db, [c.id for c in ranked])}
    usable = [
        (c, h)
        for c in ranked
        if (h := told.get(c.id)) is not None
        and h.evidence.method != "none"
        and (pairs is None or unknown_in(pairs.space, h.claim.condition) is None)
    ]
    chosen = ranking.choose(usable, asked.k * (4 if query.max_loss_pct is not None else 1))
    findings += tuple(_finding(db, h, query, pairs) for h in chosen)
    kept, more = _harmless(findings, query)
    return kept[: asked.k], [*notes, *more]


def _ranked(
    query: Query, db: sqlite3.Connection, index: tuple[Index, Changes], *, without_latency: bool
) -> list[ranking.Candidate]:
    """Candidates in the place asked about, by rank and, where there is a topic, by meaning."""
    objectives: tuple[Objective, ...] = ("accuracy", "latency")
    if query.goal in ("accuracy", "latency"):
        objectives = (query.goal,)
    elif without_latency:
        objectives = ("accuracy",)
    asker = ranking.Asker(
        query.space or "", query.task or "", query.device or "", query.niche or ""
    )
    found = ranking.candidates(db, asker, objectives)
    bodies = {row.id: row.claim for row in tables.rows_of(db, [c.id for c in found])}
    if query.device:
        # Milliseconds of another device are no answer about this one.
        found = [c for c in found if _on(bodies[c.id], query.device)]
    if not query.topic or not found:
        return found
    search, changes = index
    near = dict(search.search(query.topic, 200, changes))
    told = {e.id: e.statement for e in changes.entries((0, ""))}
    named = mentions(query.topic, {c.id: told.get(c.id, "") for c in found})
    about = [c for c in found if (c.id in named if named else near.get(c.id, 0.0) >= RELATED)]
    like = {c.id: max(near.get(c.id, 0.0), RELATED) * named.get(c.id, 1.0) for c in about}
    scored = [replace(c, score=(0.05 + c.score) * like[c.id] ** 2) for c in about]
    return sorted(scored, key=lambda c: (-c.score, c.id))


def _on(claim: Claim, device: str) -> bool:
    scope = claim.scope
    return claim.effect.objective == "accuracy" or not scope.devices or device in scope.devices


def _harmless(findings: Sequence[Finding], query: Query) -> tuple[tuple[Finding, ...], list[str]]:
    """Findings that cost no more accuracy than allowed when their advice is followed."""
    most = query.max_loss_pct
    if most is None:
        return tuple(findings), []
    kept = [f for f in findings if f.accuracy_effect is not None and _loss(f) <= most + 1e-9]
    dropped = len(findings) - len(kept)
    note = f"{dropped} claims left out: they cost more than {most:g} points, or nothing tells"
    return tuple(kept), [note] if dropped else []


def _loss(finding: Finding) -> float:
    change = finding.accuracy_effect or 0.0
    return change if finding.advice == "avoid" else -change


def _finding(
    db: sqlite3.Connection, heuristic: Heuristic, query: Query, pairs: PairSource | None
) -> Finding:
    claim, told = heuristic.claim, heuristic.evidence
    objective = claim.effect.objective
    aside = accuracy_of(db, claim) if objective != "accuracy" else None
    return Finding(
        id=heuristic.id,
        statement=claim.statement,
        status=heuristic.status,
        advice=advice_for(objective, told.mean_effect, query),
        objective=objective,
        effect=told.mean_effect,
        low=told.low,
        high=told.high,
        unit=claim.effect.unit,
        accuracy_effect=aside,
        trainings=told.archs,
        pairs_for=told.n_for,
        pairs_against=told.n_against,
        labels=told.labels,
        conflicts=heuristic.conflicts,
        examples=networks.examples(db, claim, pairs.space) if pairs else (),
        why=heuristic.why,
    )
