"""The report of a run: only here, after the search, is truth opened."""

import time
from collections.abc import Sequence
from importlib.metadata import version

from llm_nas.domain import (
    Cost,
    FrontPoint,
    Measurement,
    SearchReport,
    Seconds,
)
from llm_nas.evaluation.picture import front_png
from llm_nas.evaluation.score import Scores, score
from llm_nas.evaluation.truth import Truth, open_truth
from llm_nas.graph import run_dir
from llm_nas.graph.history import history_before
from llm_nas.graph.proposals import together, total
from llm_nas.graph.run import Run, shared_store
from llm_nas.knowledge.archive import ParetoArchive
from llm_nas.knowledge.store import HeuristicStore

_VERSIONED = ("llm-nas", "langgraph", "chromadb", "moocore", "numpy", "scipy", "torch", "xgboost")


def write_report(run: Run, finished: str) -> SearchReport:
    """Score the claimed front, write picture and result, and hand knowledge on."""
    paid = run.ledger.rows()
    measured = [row for row in paid if isinstance(row, Measurement)]
    own = {m.arch for m in measured}
    reused = [m for m in run.recalled.trainings if m.arch not in own]
    truth = open_truth(run.context.name, run.context.space, run.request.data_dir)
    known = truth is not None and bool(measured or reused)
    niches = len(run.partition.niches)
    scores = score(paid, truth, reused=reused, niches=niches) if truth and known else None
    report = _report(run, finished, truth, scores, [*reused, *measured])
    if run.inputs.picture:
        picture = front_png(report, [*reused, *measured], run.context.task.metric, truth)
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


def _report(
    run: Run,
    finished: str,
    truth: Truth | None,
    scores: Scores | None,
    rows: Sequence[Measurement],
) -> SearchReport:
    by_origin = total(o.counts_by for o in run.ledger.outcomes())
    predicted = run.predicted
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
        reused_trainings=float(len(run.recalled.trainings)),
        front=front_of(run, rows, truth),
        hv=None if scores is None else scores.hv,
        hv_at={} if scores is None else dict(scores.hv_at),
        igd_plus=None if scores is None else scores.igd_plus,
        optimism=None if scores is None else scores.optimism,
        reference="" if truth is None else truth.reference.origin,
        failures=run.ledger.failures(),
        seconds=_seconds(run),
        cost=_cost(run),
        proposals=together(by_origin),
        proposals_by=by_origin,
        sources=run.advisor.sources(history_before(run, run.ledger.next_generation())),
        notes=(*run.context.notes, finished),
        predictor=None if predicted is None else predicted.report([m.arch for m in rows]),
        versions={name: version(name) for name in _VERSIONED},
        out=run.folder,
    )


def front_of(run: Run, rows: Sequence[Measurement], truth: Truth | None) -> tuple[FrontPoint, ...]:
    """The non-dominated networks by what the run measured, fastest first."""
    metric = run.context.task.metric
    members = ParetoArchive(metric).add(rows).archive.members
    if not members:
        return ()
    archs = [m.arch for m in members]
    tested = None if truth is None else truth.errors(archs)
    sizes = run.context.space.quantities(archs)
    return tuple(
        FrontPoint(
            metric=metric.name,
            arch=m.arch,
            niche=m.niche,
            value=m.value,
            test_value=None if tested is None else metric.value(float(tested[i])),
            latency_ms=m.latency_ms,
            latency_low_ms=m.latency_low_ms,
            latency_high_ms=m.latency_high_ms,
            params_m=float(sizes["params_m"][i]) if "params_m" in sizes else None,
            macs_m=float(sizes["macs_m"][i]) if "macs_m" in sizes else None,
        )
        for i, m in enumerate(members)
    )


def _seconds(run: Run) -> Seconds:
    kept = run.ledger.seconds()
    kept["total"] = kept.get("total", 0.0) + time.monotonic() - run.opened_s
    return Seconds(**{name: kept.get(name, 0.0) for name in Seconds.model_fields})


def _cost(run: Run) -> Cost:
    governor = run.agents.governor
    seconds = run.ledger.seconds().get("agents", 0.0)
    return Cost(seconds=seconds) if governor is None else governor.cost(seconds)
