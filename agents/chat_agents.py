"""Analyst and Designer on language models, put together from a request and options."""

from collections.abc import Mapping

import numpy as np

from llm_nas.agents.blind import Lexicon, blind_lexicon, open_lexicon
from llm_nas.agents.cassette import Cassette, Recorder, open_replay
from llm_nas.agents.chat import ChatReply, ChatRequest, ChatTransport
from llm_nas.agents.chat_models import open_model
from llm_nas.agents.chat_nonsense import NONSENSE_MODEL, NonsenseTransport
from llm_nas.agents.chat_options import ModelOptions, role_models
from llm_nas.agents.chat_retry import Gate, RetryingTransport
from llm_nas.agents.governor import Governor, MeteredTransport
from llm_nas.agents.model_analyst import ModelAnalyst
from llm_nas.agents.model_designer import ModelDesigner
from llm_nas.agents.model_seat import Seat
from llm_nas.agents.prices import load_prices
from llm_nas.agents.prompt_facts import device_name
from llm_nas.agents.usage import PriceUsd
from llm_nas.domain import RoleUsage, SearchRequest
from llm_nas.ports import Analyst, Designer, Partition, SearchSpace


class ModelSwitch:
    """Sends each request to the transport of its model."""

    def __init__(self, transports: Mapping[str, ChatTransport]) -> None:
        self._transports = dict(transports)

    def send(self, request: ChatRequest) -> ChatReply:
        """The reply of the request's model."""
        return self._transports[request.model].send(request)


def model_agents(
    request: SearchRequest,
    space: SearchSpace,
    partition: Partition,
    *,
    options: ModelOptions | None = None,
    spent: Mapping[str, RoleUsage] | None = None,
    transport: ChatTransport | None = None,
) -> tuple[Analyst, Designer, Governor]:
    """The two agents and the governor that counts and caps their calls.

    `spent` is the usage of a run that is resumed. `transport` replaces the providers (tests,
    scripted models); record, replay, caps and retries work on top of it all the same.
    Raises `RequestError` for a wrong model name, a missing key or package, an unknown price
    under `--max-usd`, or an unreadable cassette.
    """
    options = _with_url(request, options or ModelOptions())
    models = role_models(request.model, options)
    governor = Governor(options, role_prices(models, options), spent)
    line = MeteredTransport(open_transport(set(models.values()), options, transport), governor)
    lexicon = run_lexicon(request, space, partition, options)
    seats = {
        role: Seat(line, model, lexicon, options, governor.repaired)
        for role, model in models.items()
    }
    analyst = ModelAnalyst(seats["analyst"], partition)
    return analyst, ModelDesigner(seats["designer"], partition), governor


def _with_url(request: SearchRequest, options: ModelOptions) -> ModelOptions:
    if options.base_url is not None or request.base_url is None:
        return options
    return ModelOptions.model_validate(options.model_dump() | {"base_url": request.base_url})


def role_prices(models: Mapping[str, str], options: ModelOptions) -> dict[str, PriceUsd | None]:
    """Price by role; None for a model the table does not know, and for a server by URL.

    A server by URL may charge whatever it likes, unless the table names its model exactly.
    """
    prices = load_prices()
    return {
        role: None if options.base_url and model.startswith("openai:") else prices.get(model)
        for role, model in models.items()
    }


def open_transport(
    models: set[str], options: ModelOptions, transport: ChatTransport | None = None
) -> ChatTransport:
    """Providers behind retries and the gate, recorded or replayed as the options say."""
    if options.replay is not None:
        return open_replay(options.replay)
    inner = transport or ModelSwitch({name: _open(name, options) for name in sorted(models)})
    line: ChatTransport = RetryingTransport(inner, Gate(options.concurrency), options)
    return line if options.record is None else Recorder(line, Cassette(options.record))


def _open(name: str, options: ModelOptions) -> ChatTransport:
    return NonsenseTransport() if name == NONSENSE_MODEL else open_model(name, options)


def run_lexicon(
    request: SearchRequest, space: SearchSpace, partition: Partition, options: ModelOptions
) -> Lexicon:
    """The run's names for the model, drawn by the run's seed when it is blind."""
    if not options.blind:
        return open_lexicon(space)
    rng = np.random.default_rng([request.seed, 0xB11D])
    return blind_lexicon(space, partition, rng, [device_name(request.device)])
