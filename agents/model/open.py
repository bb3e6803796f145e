"""Analyst, Designer and opener on language models, put together from a request and options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.agents.budget.governor import Governor, MeteredTransport
from llm_nas.agents.budget.prices import role_prices
from llm_nas.agents.chat.line import open_line
from llm_nas.agents.chat.options import ModelOptions, model_label, role_models
from llm_nas.agents.chat.talk import Talk
from llm_nas.agents.chat.transport import ChatTransport
from llm_nas.agents.model.analyst import ModelAnalyst
from llm_nas.agents.model.ask import Asker
from llm_nas.agents.model.blind import Lexicon, blind_lexicon, open_lexicon
from llm_nas.agents.model.designer import ModelDesigner
from llm_nas.agents.model.opener import ModelOpener
from llm_nas.domain import Metric, RoleUsage, SearchRequest
from llm_nas.ports import Partition, SearchSpace

_BLIND_STREAM = 0xB11D


@dataclass(frozen=True, slots=True)
class ModelAgents:
    """Who asks language models in a run; `governor` counts and caps their calls."""

    analyst: ModelAnalyst
    designer: ModelDesigner
    opener: ModelOpener
    governor: Governor
    lexicon: Lexicon
    """What the models call things."""
    stop: Callable[[], None]
    """Ends calls that wait for people (`manual:DIR`): they raise `RunStopped`."""


def open_agents(
    request: SearchRequest,
    space: SearchSpace,
    partition: Partition,
    *,
    metric: Metric,
    options: ModelOptions | None = None,
    spent: Mapping[str, RoleUsage] | None = None,
    transport: ChatTransport | None = None,
    about: str = "",
    talk: Path | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> ModelAgents:
    """Open the models of a run.

    Args:
        request: Names model, server, task and device, limits, seed, and whether it is blind.
        space: Where networks come from.
        partition: Its niches.
        metric: What the task measures.
        options: Caps, record or replay, waits, models by role.
        spent: Usage of the run so far, where it is resumed.
        transport: Replaces the providers (tests, scripted models); record, caps and retries
            work on top of it all the same.
        about: What people should know of task and device: how accuracy is obtained, the
            device's card.
        talk: File that keeps every word once; None keeps none.
        note: Told of requests that wait for a person.

    Raises:
        RequestError: A wrong model name, a missing key or package, an unknown price under
            `--max-usd`, an unreadable cassette, a folder that cannot be written.
    """
    options = with_url(request, options or ModelOptions())
    models = role_models(request.model, options)
    governor = Governor(options, role_prices(models, options.base_url), spent)
    line = open_line(
        models,
        options,
        transport=transport,
        meter=lambda inner: MeteredTransport(Talk(inner, talk) if talk else inner, governor),
        note=note,
    )
    lexicon = run_lexicon(request, space, partition)
    askers = {
        role: Asker(line, model_label(model), lexicon, options, governor.repaired)
        for role, model in models.items()
    }
    return ModelAgents(
        analyst=ModelAnalyst(askers["analyst"], about),
        designer=ModelDesigner(askers["designer"], about),
        opener=ModelOpener(
            askers["opener"],
            partition,
            metric=metric,
            limits=request.limits,
            task=place_name(request.task),
            device=place_name(request.device),
            about=about,
        ),
        governor=governor,
        lexicon=lexicon,
        stop=line.stop,
    )


def with_url(request: SearchRequest, options: ModelOptions) -> ModelOptions:
    """The options with the request's server, where they name none."""
    if options.base_url is not None or request.base_url is None:
        return options
    return ModelOptions.model_validate(options.model_dump() | {"base_url": request.base_url})


def place_name(name: str | None) -> str:
    """A task or device without the file or command behind it."""
    plain = (name or "").partition("=")[0]
    return plain.rstrip("/").rpartition("/")[2]


def run_lexicon(request: SearchRequest, space: SearchSpace, partition: Partition) -> Lexicon:
    """The run's names for the model, drawn by the run's seed when it is blind."""
    if not request.blind:
        return open_lexicon(space)
    rng = np.random.default_rng([request.seed, _BLIND_STREAM])
    names = [place_name(request.task), place_name(request.device)]
    return blind_lexicon(space, partition, rng, names)
