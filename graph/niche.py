"""One niche in one generation, from recalling claims to recording what came of it.

These nodes only call ports and pass values on. They read what was known before this generation,
so that siblings, which run at the same time, cannot influence each other.
"""

import time as clock
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Candidate, Failure, Measurement, Timing, TraceEvent
from llm_nas.errors import ModelReplyError, RequestError
from llm_nas.graph.record.ledger import Outcome
from llm_nas.graph.run import Run, opened
from llm_nas.graph.state import NicheState
from llm_nas.graph.steps import history
from llm_nas.graph.steps.limits import over_limit, too_slow, worth_training
from llm_nas.graph.steps.proposals import count_by_origin
from llm_nas.graph.steps.steer import PERSON
from llm_nas.graph.steps.trainer import Order
from llm_nas.graph.training import train_all
from llm_nas.ports import Analysis, Analyst, Designer, Trial

T = TypeVar("T")
Port = TypeVar("Port", Analyst, Designer)
SHOWN = 8
"""Claims recalled for a niche."""
WITHHELD_SHARE = 0.25
"""Chance that a recalled claim is withheld from the Designer: so that its lift is causal."""


def niche_rng(seed: int, generation: int, name: str) -> np.random.Generator:
    """The randomness of one niche and generation, whatever ran before."""
    return np.random.default_rng([seed, generation, zlib.crc32(name.encode())])


def _rng(run: Run, state: NicheState, purpose: str = "") -> np.random.Generator:
    return niche_rng(run.request.seed, state["generation"], state["plan"]["niche"] + purpose)


def _event(state: NicheState, run: Run, role: str, name: str, /, **data: Any) -> TraceEvent:
    return run.trace.event(state["generation"], state["plan"]["niche"], role, name, **data)


def unless_recorded(state: NicheState) -> Literal["recall", "__end__"]:
    """Skip a niche whose outcome a killed run had already recorded."""
    run = opened(state["run_dir"])
    done = run.ledger.recorded(state["generation"], state["plan"]["niche"])
    return "__end__" if done else "recall"


def recall(state: NicheState) -> dict[str, Any]:
    """Look at the niche as it stood before this generation, and recall claims about it."""
    run = opened(state["run_dir"])
    view = history.niche_view(run, state["generation"], state["plan"])
    pinned, recalled = _claims(run, view.niche.id)
    draws = _rng(run, state, "/withhold").random(min(len(recalled), SHOWN))
    kept = (h for h, draw in zip(recalled, draws, strict=False) if draw >= WITHHELD_SHARE)
    shown = (*pinned, *kept)
    withheld = tuple(h for h, draw in zip(recalled, draws, strict=False) if draw < WITHHELD_SHARE)
    event = _event(
        state,
        run,
        "recall",
        "claims",
        shown=[{"id": h.id, "statement": h.claim.statement, "why": h.why} for h in shown],
        withheld=[h.id for h in withheld],
        slots=view.slots,
        archive=[m.arch for m in view.archive],
    )
    return {"view": view, "heuristics": shown, "withheld": withheld, "events": [event]}


def _claims(run: Run, niche: str) -> tuple[list[Heuristic], list[Heuristic]]:
    """Pinned claims, and those recalled for a niche less the banned ones.

    Nobody but a model reads claims, so an offline run recalls none.
    """
    if not run.inputs.switches.knowledge or run.agents.governor is None:
        return [], []
    found = [*run.knowledge.recall(run.name, niche, k=SHOWN), *run.recalled.claims]
    recalled = {h.id: h for h in reversed(found)}
    pinned = [h for key in run.request.pin if (h := _named(run, recalled, key)) is not None]
    left_out = (*run.request.ban, *run.request.pin)
    order = dict.fromkeys(h.id for h in found)
    return pinned, [recalled[i] for i in order if not i.startswith(left_out)]


def _named(run: Run, recalled: Mapping[str, Heuristic], key: str) -> Heuristic | None:
    """A claim by its id or first digits; None where this run knows no such claim yet."""
    for known, heuristic in recalled.items():
        if known.startswith(key):
            return heuristic
    try:
        return run.knowledge.show(key)
    except RequestError:
        return None


def analyst(state: NicheState) -> dict[str, Any]:
    """Turn trained networks into claims."""
    run = opened(state["run_dir"])
    if not run.inputs.switches.knowledge:
        return {"analysis": Analysis(), "events": []}

    def study(port: Analyst) -> Analysis:
        return port.study(state["view"], state["heuristics"])

    analysis, source, events = _or_stand_in(
        state, run, "analyst", study, run.agents.analyst, run.agents.offline_analyst
    )
    told = _event(
        state,
        run,
        "analyst",
        "claims",
        source=source,
        claims=[{"id": c.key, "statement": c.statement} for c in analysis.claims],
        keep=list(analysis.keep),
        retire=list(analysis.retire),
        note=analysis.note,
    )
    return {"analysis": analysis, "events": [*events, told]}


def designer(state: NicheState) -> dict[str, Any]:
    """Ask for candidates."""
    run = opened(state["run_dir"])

    def propose(port: Designer) -> tuple[Candidate, ...]:
        return port.propose(state["view"], state["heuristics"], _rng(run, state))

    candidates, _, events = _or_stand_in(
        state, run, "designer", propose, run.agents.designer, run.agents.offline_designer
    )
    asked = tuple(c for c in state["view"].suggestions if c.origin == PERSON)
    candidates = (*asked, *[c for c in candidates if c not in asked])
    told = [
        _event(state, run, "designer", "candidate", **c.model_dump(mode="json"))
        for c in candidates
    ]
    return {"candidates": candidates, "events": [*events, *told]}


def _or_stand_in(
    state: NicheState,
    run: Run,
    role: str,
    use: Callable[[Port], T],
    port: Port,
    stand_in: Port,
) -> tuple[T, str, list[TraceEvent]]:
    """What an agent gives, or, where its model fails, the offline one: given, source, events."""
    start = clock.monotonic()
    failed: list[TraceEvent] = []
    try:
        given, source = use(port), port.source
    except ModelReplyError as error:
        failed.append(_event(state, run, role, "failed", source=port.source, why=str(error)))
        given, source = use(stand_in), stand_in.source
    run.ledger.add_seconds({"agents": clock.monotonic() - start})
    return given, source, [*failed, *_calls(state, run, role)]


def _calls(state: NicheState, run: Run, role: str) -> list[TraceEvent]:
    governor = run.agents.governor
    if governor is None:
        return []
    records = governor.take(role, state["plan"]["niche"], state["generation"])
    hidden = {"role", "niche", "generation"}
    return [
        _event(state, run, role, "call", **record.model_dump(mode="json", exclude=hidden))
        for record in records
    ]


def validator(state: NicheState) -> dict[str, Any]:
    """Judge candidates; where too few pass, ask the offline Designer for the missing ones."""
    run, view, candidates = opened(state["run_dir"]), state["view"], state["candidates"]
    known = history.taken(run, history.history_before(run, state["generation"]))
    verdicts = run.agents.validator.check(view.niche.id, candidates, known)
    missing = view.slots - sum(v.arch is not None for v in verdicts)
    if missing > 0:
        spare = run.agents.offline_designer.propose(
            view, state["heuristics"], _rng(run, state, "/fill")
        )
        had = {v.arch for v in verdicts}
        candidates = (*candidates, *[c for c in spare if c.arch not in had][:missing])
        verdicts = run.agents.validator.check(view.niche.id, candidates, known)
    events = [
        _event(
            state,
            run,
            "validator",
            "verdict",
            arch=v.arch or v.candidate.arch,
            decision=v.decision,
            kind=v.kind,
            reason=v.reason,
            origin=v.candidate.origin,
        )
        for v in verdicts
    ]
    return {"candidates": candidates, "verdicts": verdicts, "events": events}


def time(state: NicheState) -> dict[str, Any]:
    """Time accepted candidates; those over a hard limit lose their place before any training."""
    run, generation, niche = (
        opened(state["run_dir"]),
        state["generation"],
        state["view"].niche.id,
    )
    timings: list[Timing] = []
    failures: list[Failure] = []
    events: list[TraceEvent] = []
    for arch in _in_turn(state):
        if len(timings) == state["view"].slots:
            break
        answer = run.ledger.timing_of(arch) or _measured(run, arch, niche)
        if isinstance(answer, Failure):
            run.ledger.fail(answer, generation, niche)
            failures.append(answer)
            events.append(_event(state, run, "time", "failure", **answer.model_dump(mode="json")))
            continue
        if not run.context.device.exact:
            run.ledger.time(answer, generation)
            events.append(_event(state, run, "time", "timing", **answer.model_dump(mode="json")))
        refused, slow = over_limit(run, answer), too_slow(run, answer)
        if refused or slow:
            kind, why = ("limit", refused) if refused else ("too_slow", slow)
            events.append(_event(state, run, "time", "refused", arch=arch, kind=kind, why=why))
            continue
        timings.append(answer)
    return {"timings": tuple(timings), "failures": tuple(failures), "events": events}


def _measured(run: Run, arch: str, niche: str) -> Timing | Failure:
    """What the device says of one network."""
    if run.context.device.exact:
        return run.context.device.measure([arch])[0]
    run.tell({"timing": arch, "niche": niche})
    answer = run.context.device.measure([arch])[0]
    run.tell({"timed": arch, "latency_ms": getattr(answer, "median_ms", None)})
    return answer


def _in_turn(state: NicheState) -> list[str]:
    """Accepted architectures, best first, each once."""
    return list(dict.fromkeys(v.arch for v in state["verdicts"] if v.arch is not None))


def train(state: NicheState) -> dict[str, Any]:
    """Train what was timed, as far as this niche's slots go.

    What an attempt before a kill had paid for takes its slots first, even where this attempt's
    candidates are others.
    """
    run, view, generation = opened(state["run_dir"]), state["view"], state["generation"]
    paid = run.ledger.measured_in(generation, view.niche.id)
    failed = run.ledger.failures_in(generation, view.niche.id)
    done = {m.arch for m in paid} | {f.arch for f in failed}
    slots = view.slots - len(paid) - sum(f.trainings > 0 for f in failed)
    asked = {c.arch for c in view.suggestions if c.origin == PERSON}
    orders = [
        Order(t.arch, view.niche.id, generation, _origin(state, t.arch), t)
        for t in worth_training(run, generation, state["timings"], asked)
        if t.arch not in done
    ]
    train_all(run, orders[: max(0, slots)])
    measured = run.ledger.measured_in(generation, view.niche.id)
    failed = run.ledger.failures_in(generation, view.niche.id)
    metric = view.metric.name
    events = [
        _event(state, run, "train", "measurement", **_told(m, metric), gain=_gain(state, m))
        for m in measured
    ]
    events += [
        _event(state, run, "train", "failure", **f.model_dump(mode="json"))
        for f in failed
        if f.stage != "time"
    ]
    return {"measured": measured, "failures": failed, "events": events}


def _told(measurement: Measurement, metric: str) -> dict[str, Any]:
    body = measurement.model_dump(mode="json", exclude={"niche", "generation", "value"})
    return {"arch": body.pop("arch"), metric: measurement.value, **body}


def _origin(state: NicheState, arch: str) -> str:
    return next((v.candidate.origin for v in state["verdicts"] if v.arch == arch), "")


def _gain(state: NicheState, measurement: Measurement) -> float | None:
    """What the Advisor expected of it."""
    candidates = (v.candidate for v in state["verdicts"] if v.arch == measurement.arch)
    return next((c.gain for c in candidates if c.gain is not None), None)


def archive(state: NicheState) -> dict[str, Any]:
    """Take the new networks into the niche's archive and note what each was worth."""
    run, view, measured = opened(state["run_dir"]), state["view"], state["measured"]
    change = history.archive_change(view, measured)
    gains = history.front_gains(view, measured)
    event = _event(
        state,
        run,
        "archive",
        "change",
        added=[m.arch for m in change.added],
        removed=[m.arch for m in change.removed],
        gains=[round(gain, 6) for gain in gains],
        size=len(change.archive.members),
    )
    return {"gains": gains, "events": [event]}


def record(state: NicheState) -> dict[str, Any]:
    """Write the niche's outcome and events to the ledger; `learn` copies them to the trace."""
    run, analysis = opened(state["run_dir"]), state["analysis"]
    trained = {m.arch for m in state["measured"]}
    counts = count_by_origin(state["verdicts"], trained)
    outcome = Outcome(
        niche=state["view"].niche.id,
        claims=analysis.claims,
        keep=analysis.keep,
        retire=analysis.retire,
        trials=_trials(state, reads=run.agents.governor is not None),
        rejected=tuple(v for v in state["verdicts"] if v.arch is None),
        offered=_left_over(state, trained),
        counts_by=counts,
        gains=_gains_by_origin(state["measured"], state["gains"]),
    )
    steps = _event(state, run, "record", "steps", seconds=state["took"])
    run.ledger.record(state["generation"], outcome, [*state["events"], steps])
    if run.agents.governor is not None:
        run.ledger.keep_usage(run.agents.governor.snapshot())
    summary = {
        "niche": outcome.niche,
        "trained": [m.arch for m in state["measured"]],
        "failed": [f.arch for f in state["failures"]],
        "claims": [c.statement for c in analysis.claims],
        "proposals": {origin: c.model_dump() for origin, c in counts.items()},
    }
    return {"summary": summary}


def _left_over(state: NicheState, trained: set[str]) -> tuple[Candidate, ...]:
    """Legal new candidates of a model that found no slot: they join the Advisor's next pool."""
    return tuple(
        v.candidate.model_copy(update={"arch": v.arch})
        for v in state["verdicts"]
        if v.arch is not None and v.arch not in trained and v.candidate.operator == "model"
    )


def _trials(state: NicheState, *, reads: bool) -> tuple[Trial, ...]:
    shown = tuple(h.id for h in state["heuristics"])
    withheld = tuple(h.id for h in state["withheld"])
    if not reads or not (shown or withheld):
        return ()
    gain = {m.arch: g for m, g in zip(state["measured"], state["gains"], strict=True)}
    call = f"{state['generation']}/{state['plan']['niche']}/designer"
    return tuple(
        Trial(
            call=call,
            arch=v.arch or v.candidate.arch[:200],
            shown=shown,
            withheld=withheld,
            valid=v.arch is not None,
            gain=gain.get(v.arch or "", 0.0),
            read=reads,
        )
        for v in state["verdicts"]
        if v.candidate.operator == "model" and (v.arch is None or v.arch in gain)
    )


def _gains_by_origin(
    measured: Sequence[Measurement], gains: Sequence[float]
) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for one, gain in zip(measured, gains, strict=True):
        found[one.origin] = (*found.get(one.origin, ()), gain)
    return found
