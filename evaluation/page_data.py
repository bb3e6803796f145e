"""What a report page shows of one run, gathered from its result and trace.

Every text here may come from a language model or a file somebody sent: it is data, never
markup. `llm_nas.evaluation.page_render` embeds it as such.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field, ValidationError

from llm_nas.domain import Cost, Frozen, Measurement, ProposalCounts, SearchReport, TraceEvent
from llm_nas.errors import StoreError
from llm_nas.evaluation.choose import Step, knee, steps
from llm_nas.evaluation.page_events import Block, PageEvent
from llm_nas.evaluation.page_heuristics import PageHeuristic, page_heuristics
from llm_nas.evaluation.page_sources import PageSource, page_sources
from llm_nas.evaluation.signatures import volume_by_generation


class PageNiche(PageEvent):
    """A part of the space."""

    id: str
    rule: str
    cells: int


class PageSignature(PageEvent):
    """Something that went wrong during the run."""

    generation: int
    niche: str
    kind: str
    reason: str
    source: str = ""


class PageRemedy(PageEvent):
    """What was done about it."""

    generation: int
    niche: str
    kind: str
    taken: str
    source: str = ""


class PageCell(Frozen):
    """A measured cell and how it came about."""

    arch: str
    niche: str
    generation: int
    predicted_accuracy_pct: float
    latency_ms: float
    gain: float | None
    """What it added to its niche's normalised hypervolume."""
    test_accuracy_pct: float | None
    """Looked up after the search, for cells of the final front only."""
    operator: str
    source: str
    parents: tuple[str, ...]
    heuristics: tuple[str, ...]
    rationale: str
    verdict: str


class PageRun(Frozen):
    """One run, ready to be drawn."""

    run: str
    dataset: str
    device: str
    model: str
    seed: int
    partition: str
    predictor: str
    data_source: str
    reference: str
    """Where the true front comes from."""
    generations: int
    evaluations: int
    figures: dict[str, float]
    niches: tuple[PageNiche, ...]
    cells: tuple[PageCell, ...]
    """In the order of measurement."""
    heuristics: tuple[PageHeuristic, ...]
    signatures: tuple[PageSignature, ...]
    remedies: tuple[PageRemedy, ...]
    sources: tuple[PageSource, ...]
    volumes: tuple[float, ...]
    """Claimed hypervolume after every generation, in the box of the run's own cells."""
    knee: str
    steps: tuple[Step, ...]
    proposals: ProposalCounts
    cost: Cost
    versions: dict[str, str] = Field(default_factory=dict)


def page_run(report: SearchReport, events: Sequence[TraceEvent]) -> PageRun:
    """What a page shows of a finished run.

    Raises:
        StoreError: If the trace is not one of this program.
        RequestError: If the run's front is empty.
    """
    try:
        return _gather(report, events)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise StoreError(f"run {report.run}: its trace lacks {where} of an event") from error


def _gather(report: SearchReport, events: Sequence[TraceEvent]) -> PageRun:
    blocks: dict[tuple[int, str], Block] = defaultdict(Block)
    for event in events:
        blocks[event.generation, event.niche].take(event)
    cells = [c for (g, niche), block in blocks.items() for c in _cells(g, niche, block, report)]
    measured = [
        Measurement.model_validate(c.model_dump(include=set(Measurement.model_fields)))
        for c in cells
    ]
    request = report.request
    names = ("hv", "hv_at_k", "hv_ceiling", "igd_plus", "unit_hv", "optimism")
    return PageRun(
        run=report.run,
        dataset=request.dataset,
        device=request.device.partition("=")[0],
        model=report.model,
        seed=report.seed,
        partition=request.partition,
        predictor=report.predictor,
        data_source=report.data_source,
        reference=report.reference,
        generations=request.generations,
        evaluations=report.evaluations,
        figures={name: float(getattr(report, name)) for name in names},
        niches=tuple(_niches(events)),
        cells=tuple(cells),
        heuristics=page_heuristics(events, blocks),
        signatures=tuple(_signatures(events)),
        remedies=tuple(_remedies(events)),
        volumes=volume_by_generation(measured),
        knee=knee(report.front).arch,
        steps=steps(report.front),
        proposals=report.proposals,
        sources=page_sources(report.proposals_by, [(c.source, c.gain) for c in cells]),
        cost=report.cost,
        versions=report.versions,
    )


def _niches(events: Iterable[TraceEvent]) -> Iterable[PageNiche]:
    for event in events:
        if event.event == "niches":
            listed: list[Any] = event.data.get("niches", [])
            yield from (PageNiche.model_validate(niche) for niche in listed)


def _signatures(events: Iterable[TraceEvent]) -> Iterable[PageSignature]:
    for event in events:
        if event.event == "signature":
            niche = event.data.get("where", event.niche)
            place = {"generation": event.generation, "niche": niche}
            yield PageSignature.model_validate(place | event.data)


def _remedies(events: Iterable[TraceEvent]) -> Iterable[PageRemedy]:
    for event in events:
        if event.event == "remedy":
            place = {"generation": event.generation, "niche": event.niche}
            yield PageRemedy.model_validate(event.data | place)


def _cells(generation: int, niche: str, block: Block, report: SearchReport) -> Iterable[PageCell]:
    tested = {point.arch: point.test_accuracy_pct for point in report.front}
    for position, cell in enumerate(block.measured):
        made = block.proposals.get(cell.arch)
        judged = block.verdicts.get(cell.arch)
        yield PageCell(
            arch=cell.arch,
            niche=niche,
            generation=generation,
            predicted_accuracy_pct=cell.predicted_accuracy_pct,
            latency_ms=cell.latency_ms,
            gain=block.gains[position] if position < len(block.gains) else None,
            test_accuracy_pct=tested.get(cell.arch),
            operator=made.operator if made else "",
            source=made.source if made else "",
            parents=made.parents if made else (),
            heuristics=made.heuristics if made else (),
            rationale=made.rationale if made else "",
            verdict=f"{judged.decision}: {judged.reason}" if judged else "",
        )
