"""Before the first training: baselines, first timings, and whether limits can be met."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llm_nas.domain import Arch, Failure, TraceEvent
from llm_nas.errors import RequestError, RunStopped
from llm_nas.graph.ending.baselines import BaselineWork
from llm_nas.graph.record.ledger import RUN
from llm_nas.graph.run import Run, with_recalled, within_span
from llm_nas.graph.steps.bounds import excess
from llm_nas.graph.steps.recalled import retimed

FIRST_TIMINGS = 18
"""Networks timed before any is trained, so that latencies of others can be told."""
_SAMPLED = 256
_FAR = 2.0
"""Networks this many times larger than one that is too slow already are not timed."""
_BEFORE = -1


def prepare(run: Run) -> tuple[Run, list[TraceEvent]]:
    """Train what the front will be compared with, learn latencies, look at the limits.

    Returns:
        The run, its advisor bounded by the baselines' span, and what happened.

    Raises:
        RunStopped: When a person wants to stop; what is done so far is kept.
    """
    work = _baselines_of(run)
    if work is not None:
        run.say("timing the baselines")
        work.time()
        run = within_span(run, work.known.span_ms)
    timer = threading.Thread(target=_first_timings, args=(run,), daemon=True)
    timer.start()
    try:
        if work is not None:
            work.train(lambda: run.control.drain_requested)
    finally:
        timer.join()
    if run.control.drain_requested:
        raise RunStopped(run.control.drain_reason or "stopped")
    timings = run.ledger.timings(before=0)
    run.latency.add(timings)
    if run.recalled.size and not run.context.device.exact:
        known = {timing.arch: timing for timing in timings}
        run = with_recalled(run, retimed(run.folder, run.recalled, known))
    return run, _told(run)


def _baselines_of(run: Run) -> BaselineWork | None:
    """The work on baselines; None where networks or their latencies come from tables."""
    from llm_nas.tools.devices.real import RealDevice
    from llm_nas.tools.tasks.real import RealTask

    task, device, request = run.context.task, run.context.device, run.request
    if not isinstance(task, RealTask) or not isinstance(device, RealDevice):
        return None
    return BaselineWork(task, device, run.folder, request.seed, request.baselines, run.say)


def _first_timings(run: Run) -> None:
    """On a device that measures, time what earlier runs trained, then networks of all sizes."""
    if run.context.device.exact:
        return
    done = {t.arch for t in run.ledger.timings()} | {f.arch for f in run.ledger.failures()}
    too_large = np.inf
    earlier = dict.fromkeys(m.arch for held in run.recalled.trainings.values() for m in held)
    for arch, size in [*((arch, 0.0) for arch in earlier), *_ladder(run)]:
        if arch in done or size > too_large or run.control.drain_requested:
            continue
        run.tell({"timing": arch, "niche": ""})
        answer = run.context.device.measure([arch])[0]
        run.tell({"timed": arch, "latency_ms": getattr(answer, "median_ms", None)})
        if isinstance(answer, Failure):
            run.ledger.fail(answer, _BEFORE, run.partition.niche_of(arch))
            continue
        run.ledger.time(answer, _BEFORE)
        if run.span_ms is not None and answer.median_ms > run.span_ms:
            too_large = min(too_large, _FAR * (size or np.inf))


def _ladder(run: Run) -> list[tuple[Arch, float]]:
    """Sampled networks and their sizes, evenly spaced in the order of size."""
    archs = _sample(run)
    sizes = run.context.space.quantities(archs)
    known = next((sizes[n] for n in ("macs_m", "params_m", "size") if n in sizes), None)
    size = np.zeros(len(archs)) if known is None else np.asarray(known)
    order = np.argsort(size, kind="stable")
    places = np.linspace(0, len(order) - 1, min(FIRST_TIMINGS, len(order))).round().astype(int)
    return [(archs[int(order[i])], float(size[int(order[i])])) for i in places]


def _sample(run: Run) -> list[Arch]:
    rng = np.random.default_rng([run.request.seed, 7])
    found: list[Arch] = []
    for _ in range(_SAMPLED):
        try:
            found.append(run.context.space.sample(rng))
        except RequestError:  # a space so narrow that drawing fails
            break
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Nearest:
    """The sampled network that breaks the limits least."""

    arch: Arch
    figures: Mapping[str, float]
    met: bool


def nearest(run: Run, archs: Sequence[Arch]) -> Nearest | None:
    """The network that breaks a person's limits least; None where there are none to break."""
    if not archs or not any(v is not None for v in run.limits.model_dump().values()):
        return None
    latency, _ = run.latency.predict(list(archs))
    sizes = run.context.space.quantities(list(archs))
    figures = [
        {"latency_ms": float(latency[i])} | {n: float(v[i]) for n, v in sizes.items()}
        for i in range(len(archs))
    ]
    over = [excess(run.request, each) for each in figures]
    best = int(np.argmin(over))
    return Nearest(archs[best], figures[best], over[best] <= 1.0)


def _told(run: Run) -> list[TraceEvent]:
    events: list[TraceEvent] = []
    if run.span_ms is not None:
        events.append(_event(run, "span", latency_ms=run.span_ms))
    known = [t.arch for t in run.ledger.timings(before=0)]
    closest = nearest(run, [*known, *_sample(run)])
    if closest is not None and not closest.met:
        shown = {n: closest.figures[n] for n in ("latency_ms", "params_m", "macs_m")
                 if n in closest.figures}  # fmt: skip
        told = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
        run.say(f"no sampled network meets the limits; the nearest is {closest.arch} with {told}")
        events.append(_event(run, "unmet_limits", nearest=closest.arch, **shown))
    return events


def _event(run: Run, name: str, **data: Any) -> TraceEvent:
    return run.trace.event(_BEFORE, RUN, "open", name, **data)
