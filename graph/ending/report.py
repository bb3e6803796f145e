"""The report of a run: what it found, what that is worth, and what to doubt."""

import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from llm_nas.domain import (
    Cost,
    FrontPoint,
    Measurement,
    SearchReport,
    Seconds,
    SourceVerdict,
    Timing,
)
from llm_nas.evaluation.picture import front_png
from llm_nas.graph.ending.judged import Judged, judge
from llm_nas.graph.record import run_dir
from llm_nas.graph.run import Run, shared_store
from llm_nas.graph.steps.history import history_before
from llm_nas.graph.steps.proposals import together, total
from llm_nas.knowledge.archive import ParetoArchive
from llm_nas.knowledge.store import HeuristicStore

_VERSIONED = ("llm-nas", "langgraph", "chromadb", "moocore", "numpy", "scipy", "torch", "xgboost")


def write_report(run: Run, finished: str) -> SearchReport:
    """Judge the claimed front, write picture and result, and hand knowledge on."""
    paid = run.ledger.rows()
    measured = [row for row in paid if isinstance(row, Measurement)]
    reused = run.sources.believed(run.ledger.measured())
    judged = judge(run, paid, reused)
    rows = [*reused, *measured]
    report = _report(run, finished, judged, rows)
    if run.inputs.picture:
        picture = front_png(report, rows, run.context.task.metric, judged.truth)
        run_dir.write_bytes(run.folder / run_dir.PICTURE, picture)
    if run.inputs.keep:
        with HeuristicStore.open(
            shared_store(run.request),
            space=run.context.space,
            partition=run.partition,
            device=run.context.device,
        ) as shared:
            shared.merge(run.knowledge)
    run_dir.write_json(run.folder / run_dir.RESULT, report.model_dump(mode="json"))
    return report


def _report(run: Run, finished: str, judged: Judged, rows: Sequence[Measurement]) -> SearchReport:
    by_origin = total(o.counts_by for o in run.ledger.outcomes())
    predicted = run.predicted
    figures: dict[str, Any] = dict(judged.figures)
    past = history_before(run, run.ledger.next_generation())
    trusted = run.sources.verdicts(run.ledger.measured())
    return SearchReport(
        protocol=run.request.protocol,
        run=run.id,
        request=run.request,
        space=run.name.space,
        task=run.name.task,
        device=run.name.device,
        metric=run.context.task.metric.name,
        data_source=run.context.data_source,
        seed=run.request.seed,
        model=run.request.model,
        trainings=run.ledger.spent(),
        reused_trainings=float(_reused(run, trusted)),
        front=front_of(run, rows, judged),
        failures=(*run.ledger.failures(), *judged.failures),
        seconds=_seconds(run),
        cost=_cost(run),
        proposals=together(by_origin),
        proposals_by=by_origin,
        sources=(*trusted, *run.advisor.sources(past)),
        notes=(*run.context.notes, *_latency_told(run), *judged.notes, finished),
        predictor=None if predicted is None else predicted.report([m.arch for m in rows]),
        versions=_versions(),
        out=run.folder,
        **figures,
    )


def _reused(run: Run, verdicts: Sequence[SourceVerdict]) -> int:
    """Earlier trainings that the run believed to its end."""
    return sum(len(run.recalled.trainings[v.source]) for v in verdicts if v.kept)


def front_of(run: Run, rows: Sequence[Measurement], judged: Judged) -> tuple[FrontPoint, ...]:
    """The non-dominated networks by what the run measured, fastest first."""
    metric = run.context.task.metric
    members = ParetoArchive(metric).add(rows).archive.members
    sizes = run.context.space.quantities([m.arch for m in members])
    return tuple(
        FrontPoint(
            metric=metric.name,
            arch=m.arch,
            niche=m.niche,
            value=m.value,
            test_value=judged.tested.get(m.arch),
            latency_ms=m.latency_ms,
            latency_low_ms=m.latency_low_ms,
            latency_high_ms=m.latency_high_ms,
            params_m=float(sizes["params_m"][i]) if "params_m" in sizes else None,
            macs_m=float(sizes["macs_m"][i]) if "macs_m" in sizes else None,
            onnx=judged.onnx.get(m.arch),
        )
        for i, m in enumerate(members)
    )


def _latency_told(run: Run) -> tuple[str, ...]:
    """How well latencies were told before they were measured, on devices that measure."""
    from llm_nas.tools.devices.latency_model import foretold

    if run.context.device.exact:
        return ()
    known: set[str] = set()
    batches: list[list[Timing]] = []
    for generation in range(run.ledger.next_generation() + 1):
        found = run.ledger.timings(before=generation)
        batches.append([t for t in found if t.arch not in known])
        known |= {t.arch for t in found}
    told = foretold(run.context.space, batches)
    return () if told is None else (str(told),)


def _versions() -> dict[str, str]:
    """Versions of what decides figures; a package may be installed under another name."""
    found: dict[str, str] = {}
    for name in _VERSIONED:
        for spelled in (name, f"{name}-cpu"):
            with suppress(PackageNotFoundError):
                found[name] = version(spelled)
                break
    return found


def _seconds(run: Run) -> Seconds:
    kept = run.ledger.seconds()
    kept["total"] = kept.get("total", 0.0) + time.monotonic() - run.opened_s
    return Seconds(**{name: kept.get(name, 0.0) for name in Seconds.model_fields})


def _cost(run: Run) -> Cost:
    governor = run.agents.governor
    seconds = run.ledger.seconds().get("agents", 0.0)
    return Cost(seconds=seconds) if governor is None else governor.cost(seconds)
