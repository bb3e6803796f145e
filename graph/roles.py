"""Who studies, proposes and checks in a run: offline, brought by others, or asking a model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llm_nas.agents.brought import open_brought
from llm_nas.agents.chat.options import OFFLINE, ModelOptions, refuse_without_model
from llm_nas.agents.offline.analyst import OfflineAnalyst
from llm_nas.agents.offline.designer import OfflineDesigner
from llm_nas.agents.validator import SpaceValidator
from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.ledger import Ledger
from llm_nas.ports import Analyst, Designer, Moves, Partition, Validator
from llm_nas.tools.contexts import Context

if TYPE_CHECKING:
    from llm_nas.agents.budget.governor import Governor
    from llm_nas.agents.model.opener import ModelOpener
    from llm_nas.graph.run import Inputs


@dataclass(frozen=True)
class Agents:
    """Who studies and proposes; the offline pair stands in when a model fails."""

    analyst: Analyst
    designer: Designer
    offline_analyst: Analyst
    offline_designer: Designer
    validator: Validator
    moves: Moves
    opener: "ModelOpener | None" = None
    """Asks a model for networks of the opening; None where none opens."""
    governor: "Governor | None" = None
    """Counts and caps model calls; None when no model is used."""
    stop: Callable[[], None] = lambda: None
    """Ends calls that wait for people."""


def open_agents(
    request: SearchRequest,
    inputs: "Inputs",
    context: Context,
    partition: Partition,
    ledger: Ledger,
) -> Agents:
    """The agents a request asks for.

    Raises:
        RequestError: It asks for what does not go together.
    """
    from llm_nas.tools.spaces.moves import NicheMoves

    space, device = context.space, context.device
    moves = NicheMoves(space, partition)
    validator = SpaceValidator(
        space, partition, unsupported=device.supports, repair=inputs.switches.validator
    )
    offline = OfflineAnalyst(space), OfflineDesigner(space, moves)
    options = inputs.options or ModelOptions()
    if request.model == OFFLINE:
        refuse_without_model(request.model, options)
        if request.open == "model":
            raise RequestError("--open model: --model is offline, which asks no language model")
        if request.designer is not None:
            designer = open_brought(request.designer, space, moves)
            return Agents(offline[0], designer, *offline, validator, moves)
        return Agents(*offline, *offline, validator, moves)
    if request.designer is not None:
        raise RequestError(f"--designer {request.designer}: goes with --model offline alone")
    return _model_agents(
        request, inputs, context, partition, ledger, Agents(*offline, *offline, validator, moves)
    )


def _model_agents(
    request: SearchRequest,
    inputs: "Inputs",
    context: Context,
    partition: Partition,
    ledger: Ledger,
    offline: Agents,
) -> Agents:
    """The agents of a run that asks a language model; the offline ones stand behind them."""
    from llm_nas.agents.budget.estimate import estimate_lines, estimate_run
    from llm_nas.agents.mixed import MixedDesigner
    from llm_nas.agents.model import open_agents as open_model_agents

    asked = open_model_agents(
        request,
        context.space,
        partition,
        metric=context.task.metric,
        options=inputs.options,
        spent=ledger.usage(),
        transport=inputs.transport,
        about=context.about,
        talk=ledger.folder / run_dir.TALK,
        note=inputs.note,
    )
    if inputs.options is None or inputs.options.replay is None:
        for line in estimate_lines(
            estimate_run(
                request,
                context.space,
                partition,
                context.task.metric,
                inputs.options,
                context.about,
            )
        ):
            inputs.note(line)
    opens = (inputs.switches.opening or request.open or "model") == "model"
    return replace(
        offline,
        analyst=asked.analyst,
        designer=MixedDesigner(asked.designer, offline.offline_designer, request.model_share),
        opener=asked.opener if opens else None,
        governor=asked.governor,
        stop=asked.stop,
    )
