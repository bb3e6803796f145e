"""The outer graph's nodes, in order: open, plan, (niches), learn, report."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langgraph.runtime import Runtime

from llm_nas.domain import Candidate, Measurement, SearchRequest, TraceEvent
from llm_nas.errors import RunStopped
from llm_nas.graph.ending.report import write_report
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.ledger import RUN, Outcome
from llm_nas.graph.record.trace_schema import VERSION
from llm_nas.graph.run import STOPPED, Inputs, Run, opened
from llm_nas.graph.state import NichePlan, SearchContext, SearchInput, SearchState
from llm_nas.graph.steps.approve import concern
from llm_nas.graph.steps.history import history_before
from llm_nas.graph.steps.opening import chosen_for, size_of, step_of
from llm_nas.graph.steps.prepare import prepare
from llm_nas.graph.steps.recalled import recipe_of
from llm_nas.graph.steps.steer import stop_wished
from llm_nas.graph.steps.steering import asked_for, steer
from llm_nas.ports import Lesson

_PATIENCE = 4
"""Generations whose timings all forbid a training before a search gives up."""
_OPENING_STREAM, _PLAN_STREAM = 0, 1
"""Names of the random streams: an opening never draws what a plan draws."""


def open_search(state: SearchInput, runtime: Runtime[SearchContext]) -> dict[str, Any]:
    """Make the run's folder where there is none yet, open its ports, and tell what they are."""
    folder = state.run_dir or _new_folder(state)
    context = getattr(runtime, "context", None) or SearchContext()
    try:
        run = opened(folder, Inputs(picture=context.picture, keep=context.keep))
    except Exception:
        if state.run_dir is None:  # refused: nothing is left of it
            run_dir.discard(Path(folder))
        raise
    if not run.ledger.recorded(-1, RUN):
        run, told = prepare(run)
        events = [_opening_event(run), *told]
        run.ledger.record(-1, Outcome(niche=RUN), events)
        run.trace.append(events)
    return {
        "run_dir": folder,
        "generation": run.ledger.next_generation(),
        "plans": [],
        "why": [],
        "told": [],
        "finished": "",
        "progress": {},
    }


def _new_folder(state: SearchInput) -> str:
    request = SearchRequest.model_validate(state.model_dump(exclude={"run_dir"}))
    return str(run_dir.create(request, {})[1])


def _opening_event(run: Run) -> TraceEvent:
    return run.trace.event(
        -1,
        RUN,
        "open",
        "opened",
        request=run.request.model_dump(mode="json"),
        context=str(run.name),
        partition=run.partition.name,
        niches=[{"id": n.id, "rule": n.rule} for n in run.partition.niches],
        data_source=run.context.data_source,
        recalled_claims=[h.id for h in run.recalled.claims],
        recalled_trainings=run.recalled.size,
        notes=list(run.context.notes),
        metric=run.context.task.metric.model_dump(mode="json"),
        trace_version=VERSION,
    )


def plan(state: SearchState) -> dict[str, Any]:
    """Deal this generation's trainings to niches by what they are expected to gain."""
    run, generation = opened(state["run_dir"]), state["generation"]
    _refuse_rewound(run, generation)
    run, asked, told = steer(run, generation)
    finished = _finished(run, generation)
    if finished:
        over = {"generation": generation, "finished": finished}
        return {"plans": [], "why": [], "finished": finished, "did": {RUN: {"plan": over}}}
    history = history_before(run, generation)
    left = run.request.trainings - run.ledger.spent(before=generation)
    step = step_of(run, generation, history)
    wanted = int(min(left, size_of(run, step, history)))
    stream = _OPENING_STREAM if step == "open" else _PLAN_STREAM
    rng = np.random.default_rng([run.request.seed, generation, stream])
    wished, refused = asked_for(run, generation, asked, history)
    told += refused
    with run.clocked("agents" if step == "open" and run.agents.opener else "advisor"):
        chosen, events = chosen_for(run, step, history, wanted, rng)
    told += events
    if wished:
        others = [c for c in chosen if c.arch not in {w.arch for w in wished}]
        chosen = (*wished, *others)[:wanted]
    plans = deal(chosen, wanted, [n.id for n in run.partition.niches], history.measured)
    why = [_why(c) for c in chosen]
    slots = {p["niche"]: p["slots"] for p in plans}
    return {
        "plans": plans,
        "why": why,
        "did": {RUN: {"plan": {"generation": generation, "slots": slots, "why": why}}},
        "told": [event.model_dump(mode="json") for event in told],
        "concern": concern(run, generation, chosen, state.get("approved", [])),
        "finished": "",
    }


def _refuse_rewound(run: Run, generation: int) -> None:
    """A checkpoint of the past cannot go on in a folder whose ledger holds the future."""
    if run.ledger.last_generation() > generation or (run.folder / run_dir.RESULT).exists():
        raise RunStopped(
            f"{run.folder}: this run went on past generation {generation}; "
            f"to change its past use: llm-nas fork {run.folder} --generation {generation}"
        )


def _finished(run: Run, generation: int) -> str:
    """Why the search is over; empty while it goes on."""
    if run.served and stop_wished(run.folder, run.opened_at):
        return STOPPED
    spent, budget = run.ledger.spent(before=generation), run.request.trainings
    if spent > budget - 1.0 + 1e-9:
        return f"{spent:g} of {budget} trainings are spent"
    hours = (run.ledger.seconds().get("total", 0.0) + time.monotonic() - run.opened_s) / 3600.0
    if run.request.hours is not None and hours >= run.request.hours:
        return f"{run.request.hours:g} hours are over"
    if generation and not run.ledger.anything_in(generation - 1):
        return "nothing new was found to train"
    if generation >= _PATIENCE and not run.ledger.trained_since(generation - _PATIENCE):
        return f"{_PATIENCE} generations in a row were too slow or over a limit"
    return ""


def _why(candidate: Candidate) -> dict[str, Any]:
    kept = {"arch", "niche", "origin", "reason", "gain"}
    return candidate.model_dump(mode="json", include=kept)


def deal(
    chosen: Sequence[Candidate],
    wanted: int,
    niches: Sequence[str],
    measured: Sequence[Measurement],
) -> list[NichePlan]:
    """Slots per niche: one a candidate, and what nobody claims to the least trained niches."""
    slots = Counter(c.niche for c in chosen[:wanted])
    trained = Counter(m.niche for m in measured)
    for _ in range(wanted - slots.total()):
        least = min(niches, key=lambda niche: trained[niche] + slots[niche])
        slots[least] += 1
    return [
        NichePlan(
            niche=niche,
            slots=slots[niche],
            suggestions=[c.model_dump(mode="json") for c in chosen if c.niche == niche],
        )
        for niche in niches
        if slots[niche]
    ]


def learn(state: SearchState) -> dict[str, Any]:
    """Teach the knowledge base what the generation showed; move on to the next."""
    run, generation = opened(state["run_dir"]), state["generation"]
    measured = [m for m in run.ledger.measured() if m.generation == generation]
    events = [TraceEvent.model_validate(event) for event in state["told"]]
    events.append(run.trace.event(generation, RUN, "plan", "slots", why=state["why"]))
    own = run.ledger.measured(before=generation + 1)
    events += [
        run.trace.event(generation, RUN, "store", "source", **verdict.model_dump(mode="json"))
        for verdict in run.sources.verdicts(own)
    ]
    if run.inputs.switches.knowledge:
        with run.clocked("agents"):
            changed = run.knowledge.learn(lesson_of(run, generation))
        events += [
            run.trace.event(
                generation,
                RUN,
                "knowledge",
                "claim",
                id=h.id,
                status=h.status,
                statement=h.claim.statement,
                evidence=h.evidence.model_dump(mode="json"),
            )
            for h in changed
        ]
    done = {
        "generation": generation,
        "trained": len(measured),
        "trainings": run.ledger.spent(),
        "slots": {p["niche"]: p["slots"] for p in state["plans"]},
    }
    events.append(run.trace.event(generation, RUN, "learn", "generation", **done))
    run.ledger.record(generation, Outcome(niche=RUN), events)
    for block in run.ledger.blocks(generation):
        run.trace.append(block)
    _watch_models(run)
    run.tell(done)
    told = [event.data for event in events if event.role == "knowledge"]
    did = {RUN: {"learn": done | {"claims": told}}}
    return {"generation": generation + 1, "progress": done, "did": did}


def lesson_of(run: Run, generation: int) -> Lesson:
    """What one generation taught, as the ledger tells it."""
    outcomes = run.ledger.outcomes(generation=generation)
    measured = [m for m in run.ledger.measured() if m.generation == generation]
    return Lesson(
        run=run.id,
        seed=run.request.seed,
        generation=generation,
        context=run.name,
        metric=run.context.task.metric,
        claims=tuple(c for o in outcomes for c in o.claims),
        measured=tuple(measured),
        trials=tuple(t for o in outcomes for t in o.trials),
        keep=tuple(k for o in outcomes for k in o.keep),
        retire=tuple(r for o in outcomes for r in o.retire),
        recipe=recipe_of(run.context, run.request),
        failures=tuple(f for f in run.ledger.failures() if f.trainings > 0),
    )


def _watch_models(run: Run) -> None:
    """Keep what models cost, tell of models that only fail, and stop at a cap between steps.

    After the last generation only the report is left, which asks no model.
    """
    governor = run.agents.governor
    if governor is None:
        return
    run.ledger.keep_usage(governor.snapshot())
    for line in governor.troubles():
        run.inputs.note(line)
    reason = governor.exhausted()
    more = run.ledger.spent() < run.request.trainings
    if more and reason is not None and governor.when_spent == "stop":
        run.control.request_drain(reason)


def report(state: SearchState) -> dict[str, Any]:
    """Score the claimed front where truth is known and write the run's files."""
    run = opened(state["run_dir"])
    written = write_report(run, state["finished"])
    body = written.model_dump(mode="json")
    if run.served:
        run.close()
    return {name: body[name] for name in ("front", "hv", "hv_at", "trainings", "failures")}
