"""The report of a run: only here, after the search, is truth opened."""

import time
from collections.abc import Sequence
from importlib.metadata import version

from llm_nas.domain import (
    PROTOCOL_VERSION,
    Cost,
    FrontPoint,
    ProposalCounts,
    SearchReport,
)
from llm_nas.evaluation.finalists import choose_finalists
from llm_nas.evaluation.picture import front_png
from llm_nas.evaluation.score import Scores, hv_at_k, score
from llm_nas.evaluation.truth import TruthContext, open_context
from llm_nas.graph import rundir
from llm_nas.graph.context import SearchContext, shared_store
from llm_nas.graph.inheritance import verdicts
from llm_nas.graph.ledger import Outcome
from llm_nas.graph.tally import total
from llm_nas.knowledge.store import HeuristicStore

_VERSIONED = ("llm-nas", "langgraph", "chromadb", "xgboost", "moocore", "numpy", "scipy")


def write_report(context: SearchContext) -> SearchReport:
    """Score the claimed front, write picture and result, and hand heuristics on."""
    truth = open_context(context.benchmark, context.request.dataset, context.latency.values_ms)
    measured = context.ledger.measured()
    cells = [context.space.index(context.space.parse(m.arch)) for m in measured]
    scores = score(truth, cells, context.predicted_pct, context.partition.labels())
    intervals = context.intervals
    finalists = choose_finalists(
        context.latency.values_ms,
        context.predicted_pct,
        cells,
        upper_pct=None if intervals is None else intervals.high_pct,
    )
    validation = context.benchmark.validation_accuracy_pct(context.request.dataset)
    front = _front(context, truth, scores)
    outcomes = context.ledger.outcomes()
    report = SearchReport(
        protocol=PROTOCOL_VERSION,
        run=context.run,
        request=context.request,
        data_source=context.benchmark.source,
        reference=truth.origin,
        predictor=context.predictor,
        model=context.request.model,
        seed=context.request.seed,
        evaluations=len(measured),
        proposals=_counts(outcomes),
        proposals_by=total(o.counts_by for o in outcomes),
        front=front,
        finalists=tuple(context.space.format(context.space.cell(int(i))) for i in finalists),
        hv=scores.hv,
        hv_at_k=hv_at_k(truth, finalists, validation),
        hv_ceiling=scores.hv_ceiling,
        igd_plus=scores.igd_plus,
        igd=scores.igd,
        unit_hv=scores.unit_hv,
        optimism=scores.optimism,
        coverage=scores.coverage,
        cost=_cost(context),
        sources=verdicts(context.sources, context.space, measured),
        drift=context.drift(measured),
        latency_missing=context.latency.missing,
        versions={name: version(name) for name in _VERSIONED},
        out=context.run_dir,
    )
    if context.inputs.picture:
        niches = [n.id for n in context.partition.niches]
        picture = front_png(_title(report), truth, measured, front, niches)
        rundir.write_bytes(context.run_dir / rundir.FRONT, picture)
    with HeuristicStore.open(
        shared_store(context.request), space=context.space, partition=context.partition
    ) as shared:
        shared.merge(context.knowledge)
    rundir.write_json(context.run_dir / rundir.RESULT, report.model_dump(mode="json"))
    return report


def _front(context: SearchContext, truth: TruthContext, scores: Scores) -> tuple[FrontPoint, ...]:
    labels, held = context.partition.labels(), context.intervals
    return tuple(
        FrontPoint(
            arch=context.space.format(context.space.cell(index)),
            niche=context.partition.niches[int(labels[index])].id,
            predicted_accuracy_pct=float(context.predicted_pct[index]),
            test_accuracy_pct=float(truth.test_accuracy_pct[index]),
            latency_ms=float(truth.latency_ms[index]),
            interval_pct=None if held is None else held.of(index),
        )
        for index in scores.front
    )


def _counts(outcomes: Sequence[Outcome]) -> ProposalCounts:
    names = ProposalCounts.model_fields
    return ProposalCounts(**{n: sum(getattr(o.counts, n) for o in outcomes) for n in names})


def _cost(context: SearchContext) -> Cost:
    seconds = time.monotonic() - context.opened_s
    governor = context.agents.governor
    return Cost(seconds=seconds) if governor is None else governor.cost(seconds)


def _title(report: SearchReport) -> str:
    request = report.request
    tables = "surrogate tables" if "surrogate" in report.data_source else "public tables"
    return (
        f"{request.dataset} on {request.device.split('=')[0]}, {report.model}, "
        f"{report.evaluations} evaluations, seed {report.seed}, {tables}: hv {report.hv:.3f}"
    )
