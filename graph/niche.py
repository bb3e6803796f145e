"""One niche in one generation: retrieve, analyst and designer, validator, tools, archive, record.

These nodes only call ports and pass values on. They read what was measured before this
generation, so that siblings, which run at the same time, cannot influence each other.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
from langgraph.runtime import Runtime

from llm_nas.agents.deciding import deciders
from llm_nas.claims import Heuristic
from llm_nas.domain import Measurement, Proposal, TraceEvent, Verdict
from llm_nas.errors import ModelReplyError
from llm_nas.evaluation.remedies import Remedy
from llm_nas.graph import tally
from llm_nas.graph.context import SearchContext
from llm_nas.graph.ledger import Outcome
from llm_nas.graph.resources import context_of
from llm_nas.graph.state import NicheState
from llm_nas.graph.views import front_gains, hypervolume_gains, niche_view
from llm_nas.graph.withholding import RETRIED, withhold
from llm_nas.ports import Analysis, Analyst, Designer, Trial

T = TypeVar("T")
Port = TypeVar("Port", Analyst, Designer)
Context = Runtime[SearchContext]
SHOWN = 8
"""Heuristics retrieved for a niche."""


def niche_rng(seed: int, generation: int, niche: str) -> np.random.Generator:
    """The randomness of one niche and generation, whatever ran before."""
    return np.random.default_rng([seed, generation, zlib.crc32(niche.encode())])


def _event(
    state: NicheState, context: SearchContext, role: str, name: str, **data: Any
) -> TraceEvent:
    return context.trace.event(state["generation"], state["plan"]["niche"], role, name, **data)


def unless_recorded(state: NicheState, runtime: Context) -> Literal["retrieve", "__end__"]:
    """Skip a niche whose outcome a killed run had already recorded."""
    context = context_of(state, runtime)
    niche = state["plan"]["niche"]
    recorded = context.ledger.outcomes(generation=state["generation"], niche=niche)
    return "__end__" if recorded else "retrieve"


def retrieve(state: NicheState, runtime: Context) -> dict[str, Any]:
    """Look at the niche as it stood before this generation, and recall heuristics."""
    context = context_of(state, runtime)
    view = niche_view(context, state["generation"], state["plan"])
    found = context.knowledge.retrieve(
        dataset=view.dataset, device=view.device, niche=view.niche.id, k=SHOWN
    )
    known = {h.id for h in found}
    recalled = [*found, *(h for h in context.inherited if h.id not in known)][:SHOWN]
    rng = niche_rng(context.request.seed, state["generation"], view.niche.id + "/withhold")
    recalled += context.knowledge.on_bench(
        dataset=view.dataset, device=view.device, niche=view.niche.id, k=RETRIED
    )
    shown, withheld = withhold(recalled, rng)
    view = replace(view, deciders=deciders(context.agents.moves, view, shown))
    event = _event(
        state,
        context,
        "retrieve",
        "heuristics",
        shown=[{"id": h.id, "statement": h.claim.statement, "why": h.why} for h in shown],
        withheld=[h.id for h in withheld],
        slots=view.slots,
        archive=[m.arch for m in view.archive],
        suggestions=list(view.suggestions),
        deciders=[{"arch": d.arch, "heuristics": list(d.heuristics)} for d in view.deciders],
    )
    taken = [
        _event(state, context, "plan", "remedy", **{k: v for k, v in r.items() if k != "niche"})
        for r in state["plan"]["remedies"]
    ]
    return {"view": view, "heuristics": shown, "withheld": withheld, "events": [*taken, event]}


def analyst(state: NicheState, runtime: Context) -> dict[str, Any]:
    """Turn measured cells into claims."""
    context = context_of(state, runtime)
    agents = context.agents

    def study(port: Analyst) -> Analysis:
        return port.study(state["view"], state["heuristics"])

    analysis, source, events = _or_stand_in(
        state, context, "analyst", study, agents.analyst, agents.offline_analyst
    )
    told = _event(
        state,
        context,
        "analyst",
        "claims",
        source=source,
        claims=[{"id": c.key, "statement": c.statement} for c in analysis.claims],
        keep=list(analysis.keep),
        retire=list(analysis.retire),
        note=analysis.note,
    )
    return {"analysis": analysis, "events": [*events, told]}


def designer(state: NicheState, runtime: Context) -> dict[str, Any]:
    """Ask for children."""
    context = context_of(state, runtime)
    agents, view = context.agents, state["view"]

    def propose(port: Designer) -> tuple[Proposal, ...]:
        rng = niche_rng(context.request.seed, state["generation"], view.niche.id)
        return port.propose(view, state["heuristics"], rng)

    proposals, _, events = _or_stand_in(
        state, context, "designer", propose, agents.designer, agents.offline_designer
    )
    told = [
        _event(state, context, "designer", "proposal", **p.model_dump(mode="json"))
        for p in proposals
    ]
    return {"proposals": proposals, "events": [*events, *told]}


def _or_stand_in(
    state: NicheState,
    context: SearchContext,
    role: str,
    use: Callable[[Port], T],
    port: Port,
    stand_in: Port,
) -> tuple[T, str, list[TraceEvent]]:
    """What an agent gives, or, where its model fails, the offline one: given, source, events."""
    failed: list[TraceEvent] = []
    try:
        given, source = use(port), port.source
    except ModelReplyError as error:
        event = _event(state, context, role, "failed", source=port.source, why=str(error))
        failed.append(event)
        given, source = use(stand_in), stand_in.source
    return given, source, [*failed, *_calls(state, context, role)]


def validator(state: NicheState, runtime: Context) -> dict[str, Any]:
    """Judge proposals; where too few pass, ask the offline Designer for the missing ones."""
    context = context_of(state, runtime)
    view = state["view"]
    evaluated = [m.arch for m in view.measured]
    proposals = state["proposals"]
    verdicts = context.agents.validator.check(view.niche.id, proposals, evaluated)
    missing = view.slots - sum(v.arch is not None for v in verdicts)
    if missing > 0:
        rng = niche_rng(context.request.seed, state["generation"], view.niche.id + "/fill")
        taken = {v.arch for v in verdicts}
        spare = context.agents.offline_designer.propose(view, state["heuristics"], rng)
        fill = tuple(p for p in spare if p.arch not in taken)[:missing]
        verdicts = context.agents.validator.check(view.niche.id, (*proposals, *fill), evaluated)
        proposals = (*proposals, *fill)
    events = [_verdict_event(state, context, verdict) for verdict in verdicts]
    return {"proposals": proposals, "verdicts": verdicts, "events": events}


def _verdict_event(state: NicheState, context: SearchContext, verdict: Verdict) -> TraceEvent:
    return _event(
        state,
        context,
        "validator",
        "verdict",
        arch=verdict.arch or verdict.proposal.arch,
        decision=verdict.decision,
        kind=verdict.kind,
        reason=verdict.reason,
        source=verdict.proposal.source,
    )


def tools(state: NicheState, runtime: Context) -> dict[str, Any]:
    """Measure accepted cells: predicted accuracy, charged once, and latency."""
    context = context_of(state, runtime)
    view = state["view"]
    accepted = [v.arch for v in state["verdicts"] if v.arch is not None][: view.slots]
    latency_ms = context.evaluator.latency_ms()

    def ask(archs: Sequence[str]) -> list[tuple[float, float]]:
        cells = [context.space.index(context.space.parse(a)) for a in archs]
        accuracy = context.evaluator.accuracy_pct(cells)
        return [(float(a), float(latency_ms[c])) for a, c in zip(accuracy, cells, strict=True)]

    measured = context.ledger.measure(state["generation"], view.niche.id, accepted, ask)
    events = [
        _event(
            state,
            context,
            "tools",
            "measurement",
            **m.model_dump(mode="json", exclude={"niche", "generation"}),
        )
        for m in measured
    ]
    return {"measured": measured, "events": events}


def archive(state: NicheState, runtime: Context) -> dict[str, Any]:
    """Take the new cells into the niche's archive and note what each was worth."""
    context = context_of(state, runtime)
    view, measured = state["view"], state["measured"]
    gains, change = hypervolume_gains(view, measured)
    event = _event(
        state,
        context,
        "archive",
        "change",
        added=[m.arch for m in change.added],
        removed=[m.arch for m in change.removed],
        gains=list(gains),
        size=len(change.archive.cells),
    )
    return {"gains": gains, "events": [event]}


def record(state: NicheState, runtime: Context) -> dict[str, Any]:
    """Write the niche's outcome to the ledger and its events to the trace."""
    context = context_of(state, runtime)
    analysis = state["analysis"]
    outcome = Outcome(
        niche=state["view"].niche.id,
        claims=analysis.claims,
        keep=analysis.keep,
        retire=analysis.retire,
        trials=_trials(state),
        rejected=tuple(v for v in state["verdicts"] if v.arch is None),
        counts=tally.count(state["verdicts"], state["measured"]),
        counts_by=tally.count_by(state["verdicts"], state["measured"]),
        remedies=tuple(Remedy.model_validate(r) for r in state["plan"]["remedies"]),
        gains=_gains_by_source(
            state["proposals"], state["measured"], front_gains(state["view"], state["measured"])
        ),
    )
    context.trace.append(state["events"])
    context.ledger.record(state["generation"], outcome)
    if context.agents.governor is not None:
        context.ledger.keep_usage(context.agents.governor.snapshot())
    return {}


def _calls(state: NicheState, context: SearchContext, role: str) -> list[TraceEvent]:
    governor = context.agents.governor
    if governor is None:
        return []
    records = governor.take(role, state["view"].niche.id, state["generation"])
    return [
        _event(
            state,
            context,
            role,
            "call",
            **record.model_dump(mode="json", exclude={"role", "niche", "generation"}),
        )
        for record in records
    ]


def _trials(state: NicheState) -> tuple[Trial, ...]:
    shown = _ids(state["heuristics"])
    withheld = _ids(state["withheld"])
    gain = {m.arch: g for m, g in zip(state["measured"], state["gains"], strict=True)}
    return tuple(
        Trial(
            arch=v.arch or v.proposal.arch[:200],
            shown=shown,
            withheld=withheld,
            valid=v.arch is not None,
            gain=gain.get(v.arch or "", 0.0),
        )
        for v in state["verdicts"]
        if v.arch is None or v.arch in gain
    )


def _ids(heuristics: tuple[Heuristic, ...]) -> tuple[str, ...]:
    return tuple(h.id for h in heuristics)


def _gains_by_source(
    proposals: tuple[Proposal, ...],
    measured: tuple[Measurement, ...],
    gains: tuple[float, ...],
) -> dict[str, tuple[float, ...]]:
    source = {p.arch: p.source for p in proposals}
    found: dict[str, tuple[float, ...]] = {}
    for cell, gain in zip(measured, gains, strict=True):
        name = source.get(cell.arch, "recovered")
        found[name] = (*found.get(name, ()), gain)
    return found
