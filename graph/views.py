"""What a niche sees, and what its children were worth."""

from collections.abc import Sequence

import numpy as np

from llm_nas.domain import Measurement
from llm_nas.evaluation import indicators
from llm_nas.evaluation.remedies import Remedy
from llm_nas.graph.context import SearchContext
from llm_nas.graph.ledger import Outcome
from llm_nas.graph.state import NichePlan
from llm_nas.knowledge.archive import ArchiveChange, ParetoArchive
from llm_nas.ports import NicheView

FAILURES_SHOWN = 6


def niche_view(context: SearchContext, generation: int, plan: NichePlan) -> NicheView:
    """The niche as it stood before `generation`; the same after a resume."""
    niche = next(n for n in context.partition.niches if n.id == plan["niche"])
    measured = context.ledger.measured(before=generation)
    archive = ParetoArchive().add(m for m in measured if m.niche == niche.id).archive
    latency = context.latency.values_ms[context.partition.members(niche.id)]
    latency = latency[np.isfinite(latency)]
    gaps = archive.gaps_ms(float(latency.min()), float(latency.max())) if len(latency) else ()
    past = context.ledger.outcomes(niche=niche.id, before=generation)
    remedies = [Remedy.model_validate(r) for r in plan["remedies"]]
    aims = tuple(aim for r in remedies for aim in r.aims_ms)
    failures = [verdict for outcome in reversed(past) for verdict in outcome.rejected]
    return NicheView(
        dataset=context.request.dataset,
        device=context.latency.name,
        niche=niche,
        generation=generation,
        generations=context.request.generations,
        slots=plan["slots"],
        archive=archive.cells,
        measured=measured,
        gaps_ms=(*aims, *gaps),
        failures=tuple(failures[:FAILURES_SHOWN]),
        suggestions=tuple(plan["suggestions"]),
        probes=tuple(r.probe for r in remedies if r.probe),
        aims_ms=aims,
        restrained=tuple(r.source for r in remedies if r.source),
        gains=_gains(past),
        energy_mj=context.energies(measured),
        known_claims=context.knowledge.known(context.request.dataset, context.latency.name),
    )


def _gains(past: Sequence[Outcome]) -> dict[str, tuple[float, ...]]:
    """Gains by source where sources can be compared, oldest first.

    Only generations in which two sources had children count, each scaled by the best gain in
    it: gains shrink as a front fills, whoever makes them.
    """
    found: dict[str, tuple[float, ...]] = {}
    for outcome in past:
        best = max((gain for gains in outcome.gains.values() for gain in gains), default=0.0)
        if len(outcome.gains) < 2 or best <= 0.0:
            continue
        for source, gains in outcome.gains.items():
            found[source] = (*found.get(source, ()), *(gain / best for gain in gains))
    return found


def hypervolume_gains(
    view: NicheView, measured: Sequence[Measurement]
) -> tuple[tuple[float, ...], ArchiveChange]:
    """What each cell, in order, added to the niche's hypervolume, and the archive's change.

    Normalised by the box of the cells measured in the niche, reference (1.1, 1.1).
    """
    change = ParetoArchive(view.archive).add(measured)
    own = [*(m for m in view.measured if m.niche == view.niche.id), *measured]
    if not measured:
        return (), change
    box = indicators.bounding_box(_points(own))
    gains: list[float] = []
    before = list(view.archive)
    for cell in measured:
        gains.append(_volume(box, [*before, cell]) - (_volume(box, before) if before else 0.0))
        before.append(cell)
    return tuple(gains), change


def front_gains(view: NicheView, measured: Sequence[Measurement]) -> tuple[float, ...]:
    """What each cell alone would have added to the front of the whole run.

    Unlike `hypervolume_gains` this is the same in every order, and a cell that only its niche
    needed earns nothing. Normalised by the box of all cells, reference (1.1, 1.1).
    """
    if not measured:
        return ()
    box = indicators.bounding_box(_points([*view.measured, *measured]))
    before = _volume(box, view.measured) if view.measured else 0.0
    return tuple(_volume(box, [*view.measured, cell]) - before for cell in measured)


def _points(cells: Sequence[Measurement]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    accuracy = [m.predicted_accuracy_pct for m in cells]
    latency = [m.latency_ms for m in cells]
    points = indicators.objectives(accuracy, latency)
    return points.reshape(len(cells), 2)


def _volume(box: indicators.Box, cells: Sequence[Measurement]) -> float:
    return indicators.hypervolume(box.normalise(_points(cells)), (1.1, 1.1))
