"""Openings: what zero-cost scores say, and a model's networks beside them."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from llm_nas.domain import Candidate, TraceEvent
from llm_nas.errors import ModelReplyError
from llm_nas.graph.record.ledger import RUN
from llm_nas.graph.run import Run
from llm_nas.ports import History

Step: TypeAlias = Literal["open", "warm", "again", "plan"]
"""An opening; the first batch of a run that reuses trainings; an opening after those were found
wrong; any other batch."""
MODEL_SHARE = 0.5
"""Largest share of the opening that a model gets: a bad opener must cost little."""
CHECKING_SHARE = 0.5
"""Share of the first batch beside reused trainings that zero-cost scores choose: trainings that
turn out to be wrong must cost little, and are found out by networks from all over the front."""


def step_of(run: Run, generation: int, history: History) -> Step:
    """What kind of generation this is, by what is known and believed."""
    known = len(history.measured)
    if generation == 0:
        return "warm" if known >= run.request.opening else "open"
    return "again" if run.recalled.trainings and known < run.request.opening else "plan"


def size_of(run: Run, step: Step, history: History) -> int:
    """Trainings of a generation, as far as the budget reaches."""
    if step in ("open", "again"):
        own = [m for m in history.measured if m.generation >= 0]
        return run.request.opening - len(own)
    return run.request.batch


def chosen_for(
    run: Run, step: Step, history: History, size: int, rng: np.random.Generator
) -> tuple[tuple[Candidate, ...], list[TraceEvent]]:
    """The candidates of a generation, best first, and what happened on the way."""
    if step == "open":
        return open_generation(run, size, rng)
    if step == "plan":
        return run.advisor.plan(history, size, rng), []
    whole = step == "again" or _doubted(run, history)
    hedged = size if whole else int(size * CHECKING_SHARE)
    front = _reopened(run, history, hedged)
    if step == "again":
        return tuple(front), []
    twins = {run.context.space.twin(c.arch) for c in front}
    planned = run.advisor.plan(history, size, rng)
    others = [c for c in planned if run.context.space.twin(c.arch) not in twins]
    return (*others[: size - len(front)], *front), []


def _doubted(run: Run, history: History) -> bool:
    """Whether reused trainings go against every zero-cost score: one of both must be wrong."""
    told = [v.rank_correlation for v in run.advisor.sources(history)]
    return bool(told) and all(rho is not None and rho < 0.0 for rho in told)


def _reopened(run: Run, history: History, size: int) -> list[Candidate]:
    """`size` networks of the zero-cost opening that nobody has trained, spread over it."""
    space, request = run.context.space, run.request
    known = {space.twin(m.arch) for m in history.measured}
    front = run.advisor.open(request.opening, np.random.default_rng([request.seed, 0, 0]))
    return _spread([c for c in front if space.twin(c.arch) not in known], size)


def open_generation(
    run: Run, size: int, rng: np.random.Generator
) -> tuple[tuple[Candidate, ...], list[TraceEvent]]:
    """The candidates of the opening, best first, and what happened on the way.

    A model that fails leaves its places to the zero-cost front.
    """
    front = run.advisor.open(size, rng)
    if run.agents.opener is None:
        return front, []
    wanted = int(MODEL_SHARE * size)
    try:
        # On a device that has to be measured a model's second thoughts would cost minutes.
        timed = run.context.device.measure if run.context.device.exact else None
        asked = run.agents.opener.open(wanted, seen=front, timed=timed)
    except ModelReplyError as error:
        return front, [_event(run, "failed", source=run.agents.opener.source, why=str(error))]
    chosen = _legal(run, asked)[:wanted]
    twins = {run.context.space.twin(c.arch) for c in chosen}
    others = [c for c in front if run.context.space.twin(c.arch) not in twins]
    kept = _spread(others, size - len(chosen))
    event = _event(run, "opening", asked=len(asked), kept=len(chosen))
    return (*chosen, *kept), [event]


def _legal(run: Run, asked: Sequence[Candidate]) -> list[Candidate]:
    """The model's networks that the Validator lets pass, as it lets them pass."""
    return [
        verdict.candidate.model_copy(update={"arch": verdict.arch})
        for candidate in asked
        for verdict in run.agents.validator.check(candidate.niche, [candidate], {})
        if verdict.arch is not None
    ]


def _spread(candidates: Sequence[Candidate], size: int) -> list[Candidate]:
    """`size` of the candidates, evenly over their order, so that no end of a front is lost."""
    if size >= len(candidates):
        return list(candidates)
    places = np.linspace(0, len(candidates) - 1, max(size, 0)).round().astype(int)
    return [candidates[place] for place in places.tolist()]


def _event(run: Run, name: str, **data: object) -> TraceEvent:
    return run.trace.event(0, RUN, "opener", name, **data)
