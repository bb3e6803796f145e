"""What a report page shows of one run, gathered from its result and trace.

Every text here may come from a language model or a file somebody sent: it is data, never
markup. `llm_nas.evaluation.page.render` embeds it as such.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_nas.domain import (
    ACCURACY,
    PERPLEXITY,
    Cost,
    FrontPoint,
    Metric,
    ProposalCounts,
    SearchReport,
    SourceVerdict,
    TraceEvent,
)
from llm_nas.errors import StoreError
from llm_nas.evaluation.choose import Step, knee, steps
from llm_nas.evaluation.indicators import REFERENCE_POINT, bounding_box, hypervolume
from llm_nas.frozen import Frozen


class _Read(BaseModel):
    """Base of what is read from a trace: events may have more fields than a page needs."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class PageNiche(_Read):
    """A part of the space."""

    id: str
    rule: str


class Slot(_Read):
    """Why the Advisor gave a slot."""

    arch: str
    niche: str = ""
    origin: str = ""
    reason: str = ""
    gain: float | None = None


class Made(_Read):
    """A candidate: who proposed it, how and why."""

    arch: str
    origin: str
    operator: str = ""
    reason: str = ""
    parents: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


class Judged(_Read):
    """What the Validator made of a candidate."""

    arch: str
    decision: str
    kind: str = ""
    reason: str = ""


class PageEvidence(_Read):
    """What measured networks say of a claim."""

    n_for: int = 0
    n_against: int = 0
    mean_effect: float = 0.0
    low: float = 0.0
    high: float = 0.0
    archs: int = 0


class PageClaim(_Read):
    """A claim as it last stood."""

    id: str
    statement: str
    status: str = "inherited"
    evidence: PageEvidence | None = None
    generation: int = 0


class PageGeneration(Frozen):
    """What happened in one generation."""

    generation: int
    trained: int = 0
    trainings: float = 0.0
    why: tuple[Slot, ...] = ()
    rejected: int = 0
    failed: int = 0
    claims: tuple[str, ...] = ()


class PageNetwork(Frozen):
    """A trained network and how it came about."""

    arch: str
    niche: str
    generation: int
    value: float
    test: float | None
    """Looked up or measured after the search, for the final front only."""
    latency_ms: float
    low_ms: float
    high_ms: float
    origin: str
    operator: str = ""
    reason: str = ""
    parents: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    verdict: str = ""


class PageRun(Frozen):
    """One run, ready to be drawn."""

    run: str
    space: str
    task: str
    device: str
    metric: Metric
    model: str
    seed: int
    protocol: int
    trainings: float
    reused: float
    data_source: str
    reference: str
    figures: dict[str, float]
    hv_at: dict[str, float]
    niches: tuple[PageNiche, ...]
    networks: tuple[PageNetwork, ...]
    """In the order of training; reused ones of the front first."""
    generations: tuple[PageGeneration, ...]
    claims: tuple[PageClaim, ...]
    sources: tuple[SourceVerdict, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    baselines: tuple[dict[str, Any], ...]
    volumes: tuple[float, ...]
    """Claimed hypervolume after every generation, in the box of the run's own networks."""
    front: tuple[str, ...]
    knee: str
    steps: tuple[Step, ...]
    proposals: dict[str, ProposalCounts]
    cost: Cost
    seconds: dict[str, float]
    versions: dict[str, str] = Field(default_factory=dict[str, str])


Event = TypeVar("Event", bound=BaseModel)
_METRICS: Mapping[str, Metric] = {m.name: m for m in (ACCURACY, PERPLEXITY)}
_FIGURES = (
    "hv",
    "igd_plus",
    "optimism",
    "hv_baselines",
    "speedup_at_equal_accuracy",
    "gain_at_equal_latency_pct",
)


def page_run(report: SearchReport, events: Sequence[TraceEvent]) -> PageRun:
    """What a page shows of a finished run.

    Raises:
        StoreError: If the trace is not one of this program.
        RequestError: If the run's front is empty.
    """
    try:
        return _gather(report, events)
    except (ValidationError, KeyError) as error:
        raise StoreError(
            f"run {report.run}: its trace lacks what a page needs ({error})"
        ) from error


def _gather(report: SearchReport, events: Sequence[TraceEvent]) -> PageRun:
    default = Metric(name=report.metric, unit="", higher_is_better=False)
    metric = _METRICS.get(report.metric, default)
    networks = _networks(report, events)
    figures = {name: getattr(report, name) for name in _FIGURES}
    return PageRun(
        run=report.run,
        space=report.space,
        task=report.task,
        device=report.device.partition("=")[0],
        metric=metric,
        model=report.model,
        seed=report.seed,
        protocol=report.protocol,
        trainings=report.trainings,
        reused=report.reused_trainings,
        data_source=report.data_source,
        reference=report.reference,
        figures={name: float(value) for name, value in figures.items() if value is not None},
        hv_at=report.hv_at,
        niches=tuple(
            PageNiche.model_validate(niche)
            for event in events
            if event.event == "opened"
            for niche in event.data["niches"]
        ),
        networks=tuple(networks),
        generations=tuple(_generations(events)),
        claims=tuple(_claims(events)),
        sources=report.sources,
        failures=tuple(f"{f.arch}: {f.stage}, {f.reason}" for f in report.failures),
        notes=report.notes,
        baselines=report.baselines,
        volumes=_volumes(networks, metric),
        front=tuple(point.arch for point in report.front),
        knee=knee(report.front, metric).arch,
        steps=steps(report.front, metric),
        proposals=report.proposals_by,
        cost=report.cost,
        seconds=report.seconds.model_dump(),
        versions=report.versions,
    )


def _of(events: Iterable[TraceEvent], name: str, kind: type[Event]) -> list[tuple[int, Event]]:
    """(generation, what it holds) of every event of a name."""
    found = (e for e in events if e.event == name)
    return [(e.generation, kind.model_validate(e.data)) for e in found]


def _networks(report: SearchReport, events: Sequence[TraceEvent]) -> list[PageNetwork]:
    tested = {point.arch: point for point in report.front}
    made = {c.arch: c for _, c in _of(events, "candidate", Made)}
    judged = {v.arch: v for _, v in _of(events, "verdict", Judged)}
    trained = [_trained(e, report.metric, made, judged, tested) for e in events if _trains(e)]
    own = {network.arch for network in trained}
    reused = [_reused(point) for point in report.front if point.arch not in own]
    return [*reused, *sorted(trained, key=lambda n: n.generation)]


def _trains(event: TraceEvent) -> bool:
    return event.event == "measurement"


def _trained(
    event: TraceEvent,
    metric: str,
    made: Mapping[str, Made],
    judged: Mapping[str, Judged],
    tested: Mapping[str, FrontPoint],
) -> PageNetwork:
    data, arch = event.data, str(event.data["arch"])
    proposal = made.get(arch, Made(arch=arch, origin=str(data.get("origin", ""))))
    verdict = judged.get(arch)
    point = tested.get(arch)
    latency = float(data["latency_ms"])
    return PageNetwork(
        arch=arch,
        niche=event.niche,
        generation=event.generation,
        value=data[metric],
        test=None if point is None else point.test_value,
        latency_ms=latency,
        low_ms=data.get("latency_low_ms", latency),
        high_ms=data.get("latency_high_ms", latency),
        origin=proposal.origin,
        operator=proposal.operator,
        reason=proposal.reason,
        parents=proposal.parents,
        claims=proposal.claims,
        verdict="" if verdict is None else f"{verdict.decision}: {verdict.reason}",
    )


def _reused(point: FrontPoint) -> PageNetwork:
    latency = point.latency_ms
    return PageNetwork(
        arch=point.arch,
        niche=point.niche,
        generation=0,
        value=point.value,
        test=point.test_value,
        latency_ms=latency,
        low_ms=latency if point.latency_low_ms is None else point.latency_low_ms,
        high_ms=latency if point.latency_high_ms is None else point.latency_high_ms,
        origin="an earlier run",
    )


def _generations(events: Sequence[TraceEvent]) -> Iterable[PageGeneration]:
    ends = [e for e in events if e.event == "generation"]
    for end in ends:
        here = [e for e in events if e.generation == end.generation]
        why: list[Any] = [slot for e in here if e.event == "slots" for slot in e.data["why"]]
        told = [
            c
            for e in here
            if e.role == "analyst" and e.event == "claims"
            for c in e.data["claims"]
        ]
        yield PageGeneration(
            generation=end.generation,
            trained=end.data["trained"],
            trainings=end.data["trainings"],
            why=tuple(Slot.model_validate(slot) for slot in why),
            rejected=sum(e.event == "verdict" and e.data["decision"] == "rejected" for e in here),
            failed=sum(e.event == "failure" for e in here),
            claims=tuple(str(claim["statement"]) for claim in told),
        )


def _claims(events: Sequence[TraceEvent]) -> list[PageClaim]:
    """Every claim as it last stood, those with most evidence first."""
    latest: dict[str, PageClaim] = {}
    for generation, claim in _of(events, "claim", PageClaim):
        latest[claim.id] = claim.model_copy(update={"generation": generation})
    weight = {
        k: c.evidence.n_for + c.evidence.n_against if c.evidence else 0 for k, c in latest.items()
    }
    return sorted(latest.values(), key=lambda c: -weight[c.id])


def _volumes(networks: Sequence[PageNetwork], metric: Metric) -> tuple[float, ...]:
    if not networks:
        return ()
    errors = metric.errors(np.array([n.value for n in networks]))
    points = np.column_stack((errors, [n.latency_ms for n in networks]))
    scaled = bounding_box(points).normalise(points)
    when = np.array([n.generation for n in networks])
    last = int(when.max())
    seen = [scaled[when <= g] for g in range(last + 1)]
    return tuple(hypervolume(s, REFERENCE_POINT) if len(s) else 0.0 for s in seen)
