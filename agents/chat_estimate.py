"""An estimate of calls, tokens and money before a run, from its own prompts."""

import numpy as np

from llm_nas.agents.chat import ChatRequest
from llm_nas.agents.chat_agents import run_lexicon
from llm_nas.agents.chat_nonsense import NonsenseTransport
from llm_nas.agents.chat_options import ModelOptions, role_models
from llm_nas.agents.governor import Estimate, Governor, RolePlan, estimate, load_prices
from llm_nas.agents.model_analyst import ModelAnalyst
from llm_nas.agents.model_designer import ModelDesigner
from llm_nas.agents.model_plan import plan_children
from llm_nas.agents.prompts import TOKEN_LIMITS, estimate_tokens
from llm_nas.domain import Measurement, SearchRequest
from llm_nas.ports import NicheView, Partition, SearchSpace

TOKENS_PER_CELL = 100
"""Seen with a 1.5B model: four cells with rationales are about 400 tokens."""
TOKENS_PER_ANALYSIS = 350


def estimate_run(
    request: SearchRequest,
    space: SearchSpace,
    partition: Partition,
    options: ModelOptions | None = None,
) -> Estimate:
    """What a search will ask of its models: two calls per niche and generation.

    Prompts are rendered for a niche half way through the run, with invented numbers. Repairs
    and retries come on top; `*_limit` are bounds per call times calls.
    """
    options = options or ModelOptions()
    models = role_models(request.model, options)
    view = _middle_view(request, space, partition)
    lexicon = run_lexicon(request, space, partition, options)
    governor = Governor(ModelOptions(), dict.fromkeys(models))
    parts = (space, partition, lexicon, options, governor)
    analyst = ModelAnalyst(NonsenseTransport(), models["analyst"], *parts)
    designer = ModelDesigner(NonsenseTransport(), models["designer"], *parts)
    children = plan_children(view, np.random.default_rng(0))
    calls = request.generations * len(partition.niches)
    asked = {
        "analyst": (analyst.request(view, ()), TOKENS_PER_ANALYSIS),
        "designer": (designer.request(view, (), children), TOKENS_PER_CELL * len(children)),
    }
    plans = tuple(
        RolePlan(
            model=models[role],
            calls=calls,
            tokens_in=_prompt_tokens(prompt),
            tokens_out=tokens_out,
            tokens_in_limit=TOKEN_LIMITS[role],
            tokens_out_limit=options.max_reply_tokens,
        )
        for role, (prompt, tokens_out) in asked.items()
    )
    return estimate(plans, load_prices())


def _prompt_tokens(request: ChatRequest) -> int:
    return sum(estimate_tokens(message.content) for message in request.messages)


def _middle_view(request: SearchRequest, space: SearchSpace, partition: Partition) -> NicheView:
    """A niche half way through: half of its share of the budget measured, a third on its front."""
    niche = partition.niches[len(partition.niches) // 2]
    share = max(request.budget // len(partition.niches), 1)
    members = partition.members(niche.id)[: max(share // 2, 1)]
    measured = tuple(
        Measurement(
            arch=space.format(space.cell(int(index))),
            niche=niche.id,
            generation=0,
            predicted_accuracy_pct=90.0 + place / 100,
            latency_ms=1.0 + place / 10,
        )
        for place, index in enumerate(members)
    )
    return NicheView(
        dataset=request.dataset,
        device=request.device,
        niche=niche,
        generation=request.generations // 2,
        generations=request.generations,
        slots=max(share // request.generations, 1),
        archive=measured[: len(measured) // 3 + 1],
        measured=measured,
        gaps_ms=((1.0, 2.0), (3.0, 3.5)),
        failures=(),
    )
