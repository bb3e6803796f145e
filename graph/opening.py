"""The first generation: what zero-cost scores say, and a model's networks beside them."""

from collections.abc import Sequence

import numpy as np

from llm_nas.domain import Candidate, TraceEvent
from llm_nas.errors import ModelReplyError
from llm_nas.graph.ledger import RUN
from llm_nas.graph.run import Run

MODEL_SHARE = 0.5
"""Largest share of the opening that a model gets: a bad opener must cost little."""


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
