"""The outer graph's nodes, in order: partition, plan, (niches), join, report."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from langgraph.runtime import Runtime

from llm_nas.domain import Measurement, SourceVerdict, TraceEvent
from llm_nas.evaluation.remedies import Remedy
from llm_nas.graph.context import SearchContext
from llm_nas.graph.inheritance import verdicts
from llm_nas.graph.ledger import Outcome
from llm_nas.graph.remedies import Remedies, reserves, signatures_after
from llm_nas.graph.report import write_report
from llm_nas.graph.resources import context_of, start_run
from llm_nas.graph.state import NichePlan, SearchInput, SearchState
from llm_nas.graph.tally import total
from llm_nas.ports import Lesson, Pick
from llm_nas.tools.sources import believed

Context = Runtime[SearchContext]
RUN = "run"
"""Niche name of events that concern the whole run."""


def partition(state: SearchInput, runtime: Context) -> dict[str, Any]:
    """Split the space into niches and note them in the trace."""
    run_dir = state.get("run_dir") or start_run(state["request"])
    context = context_of({"run_dir": run_dir}, runtime)
    labels = context.partition.labels()
    niches = [
        {"id": n.id, "rule": n.rule, "cells": int(np.sum(labels == i))}
        for i, n in enumerate(context.partition.niches)
    ]
    event = context.trace.event(
        -1,
        RUN,
        "partition",
        "niches",
        request=context.request.model_dump(mode="json"),
        partition=context.partition.name,
        niches=niches,
        data_source=context.benchmark.source,
        latency_missing=context.latency.missing,
        inherited=[h.id for h in context.inherited],
        sources=sorted(context.sources),
    )
    context.trace.append([event])
    return {"run_dir": str(run_dir), "generation": 0, "plans": []}


def plan(state: SearchState, runtime: Context) -> dict[str, Any]:
    """Deal this generation's evaluations to niches by what they are expected to gain.

    What the generation before showed to go wrong has its counter-measure taken here.
    """
    context = context_of(state, runtime)
    generation = state["generation"]
    request = context.request
    due = round(request.budget * (generation + 1) / request.generations)
    measured = context.ledger.measured(before=generation)
    wanted = max(0, due - len(measured))
    rng = np.random.default_rng([request.seed, generation])
    prior = believed(context.sources, verdicts(context.sources, context.space, measured))
    found = signatures_after(context, generation - 1)
    picks = context.advisor.plan(measured, prior, wanted + reserves(found), rng)
    remedies = Remedies(context, generation, measured, picks, wanted).against(found)
    plans = deal(picks, wanted, [n.id for n in context.partition.niches], remedies)
    return {"plans": plans}


def deal(
    picks: Sequence[Pick], wanted: int, niches: Sequence[str], remedies: Sequence[Remedy] = ()
) -> list[NichePlan]:
    """Slots per niche: one a probe and pick, and what nobody claims in turn to all niches.

    Probes come before picks; picks beyond `wanted` slots are left out.
    """
    probes = {r.probe: r.niche for r in remedies if r.probe}
    chosen = [p for p in picks if p.arch not in probes][: wanted - len(probes)]
    slots = Counter([*probes.values(), *(p.niche for p in chosen)])
    for spare in range(wanted - slots.total()):
        slots[niches[spare % len(niches)]] += 1
    return [
        NichePlan(
            niche=niche,
            slots=slots[niche],
            suggestions=[p.arch for p in chosen if p.niche == niche],
            remedies=[r.model_dump(mode="json") for r in remedies if r.niche == niche],
        )
        for niche in niches
        if slots[niche]
    ]


def join(state: SearchState, runtime: Context) -> dict[str, Any]:
    """Teach the knowledge base what the generation showed; move on to the next."""
    context = context_of(state, runtime)
    generation = state["generation"]
    outcomes = context.ledger.outcomes(generation=generation)
    measured = [m for m in context.ledger.measured() if m.generation == generation]
    changed = context.knowledge.learn(_lesson(context, generation, outcomes, measured))
    events = [
        context.trace.event(
            generation,
            RUN,
            "knowledge",
            "heuristic",
            id=h.id,
            status=h.status,
            statement=h.claim.statement,
            n=h.evidence.n_for + h.evidence.n_against,
        )
        for h in changed
    ]
    done = context.trace.event(
        generation,
        RUN,
        "join",
        "generation",
        measured=len(measured),
        evaluations=context.evaluator.evaluations,
        slots={p["niche"]: p["slots"] for p in state["plans"]},
        proposals=_by_source(outcomes),
    )
    found = [
        *_sources(context, generation),
        *_drift(context, generation),
        *_signatures(context, generation),
    ]
    context.trace.append([*events, *found, done])
    _watch_models(context, more=generation + 1 < context.request.generations)
    context.inputs.progress(generation + 1, context.evaluator.evaluations)
    return {"generation": generation + 1}


def _sources(context: SearchContext, generation: int) -> list[TraceEvent]:
    """Sources of the prior that this generation's cells made the run drop or take back.

    The first generation notes the verdict on every source.
    """

    def judged(before: int) -> tuple[SourceVerdict, ...]:
        return verdicts(context.sources, context.space, context.ledger.measured(before=before))

    return [
        context.trace.event(generation, RUN, "join", "source", **new.model_dump())
        for old, new in zip(judged(generation), judged(generation + 1), strict=True)
        if generation == 0 or old.kept != new.kept
    ]


def _drift(context: SearchContext, generation: int) -> list[TraceEvent]:
    """That the run left the range of its predictor in this generation, or came back."""
    old, new = (context.drift(context.ledger.measured(before=generation + k)) for k in (0, 1))
    if old is None or new is None or old.alarm == new.alarm:
        return []
    return [context.trace.event(generation, RUN, "join", "drift", **new.model_dump())]


def _by_source(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How proposals fared in this generation, by who made them."""
    by_source = total(o.counts_by for o in outcomes).get("source", {})
    return {name: counts.model_dump() for name, counts in by_source.items()}


def _signatures(context: SearchContext, generation: int) -> list[TraceEvent]:
    """What seems to go wrong, with its reason and counter-measure, for the trace."""
    return [
        context.trace.event(
            generation, RUN, "join", "signature", where=s.niche, **s.model_dump(exclude={"niche"})
        )
        for s in signatures_after(context, generation)
    ]


def _lesson(
    context: SearchContext,
    generation: int,
    outcomes: Sequence[Outcome],
    measured: Sequence[Measurement],
) -> Lesson:
    return Lesson(
        run=context.run,
        generation=generation,
        dataset=context.request.dataset,
        device=context.latency.name,
        space=context.space.name,
        claims=tuple(c for o in outcomes for c in o.claims),
        measured=tuple(measured),
        trials=tuple(t for o in outcomes for t in o.trials),
        keep=tuple(k for o in outcomes for k in o.keep),
        retire=tuple(r for o in outcomes for r in o.retire),
        energy_mj=context.energies(measured),
    )


def _watch_models(context: SearchContext, *, more: bool) -> None:
    """Keep what models cost, tell of models that only fail, and stop at a cap between steps.

    After the last generation only the report is left, which asks no model.
    """
    governor = context.agents.governor
    if governor is None:
        return
    context.ledger.keep_usage(governor.snapshot())
    for line in governor.troubles():
        context.inputs.note(line)
    reason = governor.exhausted()
    if more and reason is not None and governor.when_spent == "stop":
        context.inputs.drain(reason)


def report(state: SearchState, runtime: Context) -> dict[str, Any]:
    """Score the claimed front against truth and write the run's files."""
    context = context_of(state, runtime)
    write_report(context)
    return {"run_dir": str(context.run_dir)}
