"""The run's side of steering: read wishes at the start of a generation and act on them."""

from llm_nas.domain import Candidate, TraceEvent
from llm_nas.errors import RequestError
from llm_nas.graph.record.ledger import RUN
from llm_nas.graph.run import Run, change
from llm_nas.graph.steps.history import taken
from llm_nas.graph.steps.steer import PERSON, Wish, steered, wishes
from llm_nas.ports import History


def steer(run: Run, generation: int) -> tuple[Run, tuple[Wish, ...], list[TraceEvent]]:
    """The run as wishes leave it, the wishes of this generation, and what to tell of them.

    Wishes are read once a generation; a resumed run finds them in the ledger.
    """
    if not run.ledger.steered(generation):
        fresh = wishes(run.folder)[run.ledger.wishes_read() :]
        run.ledger.keep_wishes(generation, fresh)
    asked = run.ledger.wishes_of(generation)
    events: list[TraceEvent] = []
    for one in asked:
        told = one.model_dump(mode="json", exclude_none=True)
        try:
            request = steered(run.request, [one])
        except RequestError as error:
            told |= {"refused": str(error)}
        else:
            run = change(run, request)
        events.append(run.trace.event(generation, RUN, "steer", "wish", **told))
    return run, asked, events


def asked_for(
    run: Run, generation: int, asked: tuple[Wish, ...], history: History
) -> tuple[tuple[Candidate, ...], list[TraceEvent]]:
    """Networks that people want to have tried, and why some of them are not."""
    candidates: list[Candidate] = []
    events: list[TraceEvent] = []
    for one in asked:
        if one.kind != "next" or one.arch is None:
            continue
        niche, reason = _niche(run, one.arch)
        candidate = Candidate(
            arch=one.arch, niche=niche, origin=PERSON, operator="asked", reason="a person asked"
        )
        if niche:
            known = taken(run, history)
            (verdict,) = run.agents.validator.check(niche, [candidate], known)
            reason = verdict.reason
            if verdict.arch is not None:
                candidates.append(candidate.model_copy(update={"arch": verdict.arch}))
                continue
        told = {"arch": one.arch, "why": reason}
        events.append(run.trace.event(generation, RUN, "steer", "refused", **told))
    return tuple(candidates), events


def _niche(run: Run, arch: str) -> tuple[str, str]:
    """The niche of a text, or nothing and why it is no network of the space."""
    try:
        return run.partition.niche_of(run.context.space.parse(arch)), ""
    except RequestError as error:
        return "", str(error)
