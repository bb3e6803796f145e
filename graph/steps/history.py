"""What a run knew before a generation, for the Advisor and for every niche."""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.domain import Arch, Candidate, FloatArray, Measurement
from llm_nas.evaluation.indicators import REFERENCE_POINT, bounding_box, hypervolume
from llm_nas.graph.record.ledger import Outcome
from llm_nas.graph.run import Run
from llm_nas.graph.state import NichePlan
from llm_nas.knowledge.archive import ArchiveChange, ParetoArchive
from llm_nas.ports import History, NicheView

FAILURES_SHOWN = 6


def history_before(run: Run, generation: int) -> History:
    """The run as it stood before a generation; the same after a resume."""
    measured = run.ledger.measured(before=generation)
    own = {m.arch for m in measured}
    reused = run.sources.believed(measured)
    offered = _offered(run.ledger.outcomes(before=generation), own)
    return History(
        measured=(*reused, *measured),
        failed=frozenset(f.arch for f in run.ledger.failures(before=generation)),
        timings=run.ledger.timings(before=generation),
        offered=offered,
    )


def _offered(outcomes: Sequence[Outcome], trained: set[Arch]) -> tuple[Candidate, ...]:
    """Legal proposals that found no slot yet: the newest of each architecture."""
    latest = {c.arch: c for outcome in outcomes for c in outcome.offered}
    return tuple(c for c in latest.values() if c.arch not in trained)


def taken(run: Run, history: History) -> Mapping[Arch, str]:
    """Twins that are no longer new, and why: what the Validator must know."""
    space = run.context.space
    known = {space.twin(m.arch): "trained before" for m in history.measured}
    return known | {space.twin(arch): "failed before" for arch in history.failed}


def niche_view(run: Run, generation: int, plan: NichePlan) -> NicheView:
    """The niche as it stood before `generation`; the same after a resume."""
    niche = next(n for n in run.partition.niches if n.id == plan["niche"])
    history = history_before(run, generation)
    mine = [m for m in history.measured if m.niche == niche.id]
    archive = ParetoArchive(run.context.task.metric).add(mine).archive
    past = run.ledger.outcomes(niche=niche.id, before=generation)
    rejected = [verdict for outcome in reversed(past) for verdict in outcome.rejected]
    return NicheView(
        context=run.name,
        metric=run.context.task.metric,
        niche=niche,
        generation=generation,
        slots=plan["slots"],
        limits=run.limits,
        archive=archive.members,
        measured=history.measured,
        gaps_ms=archive.gaps_ms(*_span_ms(mine or history.measured)),
        failures=tuple(rejected[:FAILURES_SHOWN]),
        broken=run.ledger.failures(before=generation),
        suggestions=tuple(Candidate.model_validate(c) for c in plan["suggestions"]),
        gains=_comparable_gains(past),
        known_claims=_tested(run.ledger.outcomes(before=generation)),
    )


def _tested(past: Sequence[Outcome]) -> frozenset[str]:
    """Keys of the claims that the run has already proposed."""
    return frozenset(claim.key for outcome in past for claim in outcome.claims)


def _comparable_gains(past: Sequence[Outcome]) -> dict[str, tuple[float, ...]]:
    """Gains by origin where origins can be compared, oldest first.

    Only generations in which two origins had networks trained count, each scaled by the best
    gain in it: gains shrink as a front fills, whoever makes them.
    """
    found: dict[str, tuple[float, ...]] = {}
    for outcome in past:
        best = max((gain for gains in outcome.gains.values() for gain in gains), default=0.0)
        if len(outcome.gains) < 2 or best <= 0.0:
            continue
        for origin, gains in outcome.gains.items():
            found[origin] = (*found.get(origin, ()), *(gain / best for gain in gains))
    return found


def archive_change(view: NicheView, measured: Sequence[Measurement]) -> ArchiveChange:
    """What the new trainings change in the niche's archive."""
    return ParetoArchive(view.metric, view.archive).add(measured)


def front_gains(view: NicheView, measured: Sequence[Measurement]) -> tuple[float, ...]:
    """What each network alone would have added to the front of the whole run.

    In shares of the box of all networks trained so far, reference point (1.1, 1.1).
    """
    if not measured:
        return ()
    box = bounding_box(_points(view, [*view.measured, *measured]))

    def volume(members: Sequence[Measurement]) -> float:
        if not members:
            return 0.0
        return hypervolume(box.normalise(_points(view, members)), REFERENCE_POINT)

    before = volume(view.measured)
    return tuple(volume([*view.measured, m]) - before for m in measured)


def _points(view: NicheView, members: Sequence[Measurement]) -> FloatArray:
    return np.array([(view.metric.error(m.value), m.latency_ms) for m in members])


def _span_ms(members: Sequence[Measurement]) -> tuple[float, float]:
    """Least and greatest latency; (0, 0) for none."""
    latencies = [m.latency_ms for m in members]
    return (min(latencies), max(latencies)) if latencies else (0.0, 0.0)
