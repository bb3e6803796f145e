"""Plain sampling from a language model: no loop, no timings, no scores shown, no other opener."""

from typing import TYPE_CHECKING, Any

from llm_nas.domain import Candidate, Failure, Measurement, SearchRequest
from llm_nas.errors import ModelReplyError
from llm_nas.experiments.setting import Order, open_place, opened, partition_of

if TYPE_CHECKING:
    from llm_nas.agents.model.open import ModelAgents
    from llm_nas.agents.model.opener import ModelOpener

TURNS = 5
"""Askings after which a model that repeats itself has said what it has to say."""


def open_opener(model: str, order: Order, transport: Any = None) -> "ModelOpener":
    """The model's opener in a context; `transport` replaces the providers (scripted models)."""
    return open_model(model, order, transport).opener


def open_model(model: str, order: Order, transport: Any = None) -> "ModelAgents":
    """All that asks the model in a context, and what counts its calls."""
    from llm_nas.agents.model.open import open_agents

    context = opened(order.context, order.data_dir, order.seed)
    request = SearchRequest.model_validate(
        {
            **order.context.model_dump(),
            "seed": order.seed,
            "model": model,
            "base_url": order.base_url,
        }
    )
    return open_agents(
        request,
        context.space,
        partition_of(order),
        metric=context.task.metric,
        transport=transport,
        about=context.about,
    )


def sampled(model: str, order: Order, transport: Any = None) -> list[Measurement | Failure]:
    """Train what a model proposes, in its order, until the budget or its ideas are spent.

    Raises:
        ModelReplyError: The model gave no network at all.
    """
    return trained_by(open_opener(model, order, transport), order)


def trained_by(opener: "ModelOpener", order: Order) -> list[Measurement | Failure]:
    """What an opener proposes, trained; see `sampled`."""
    problem, door = open_place(order)
    for turn in range(TURNS):
        for candidate in _asked(opener, int(door.remaining), turn):
            if door.remaining >= 1 and problem.is_open(candidate.arch):
                problem.take(candidate.arch)
                door.train(candidate.arch)
        if door.remaining < 1:
            break
    return door.rows


def _asked(opener: "ModelOpener", count: int, turn: int) -> tuple[Candidate, ...]:
    """Up to `count` networks; a later turn that fails ends nothing."""
    try:
        return opener.open(count, turn=turn)
    except ModelReplyError:
        if turn == 0:
            raise
        return ()
