"""An estimate of calls, tokens and money before a run, role by role, from its own prompts."""

import math

import numpy as np

from llm_nas.agents.budget.prices import price_rows, role_prices, user_table
from llm_nas.agents.budget.usage import price_of
from llm_nas.agents.chat.nonsense import NonsenseTransport
from llm_nas.agents.chat.options import ModelOptions, role_models
from llm_nas.agents.model.networks import most_networks, tokens_of_answer
from llm_nas.agents.model.open import open_agents, place_name
from llm_nas.domain import ContextName, Measurement, Metric, SearchRequest
from llm_nas.frozen import Frozen
from llm_nas.ports import NicheView, Partition, SearchSpace

TOKENS_PER_ANALYSIS = 350
HEDGE = 0.5
"""Share of the opening that is the model's at most."""
ASKED_TO_OPEN = 2
"""Once for networks, and once more when their latencies are known."""
_MOST_SHOWN = 40


class RoleEstimate(Frozen):
    """What one role is expected to ask; repairs and retries come on top."""

    role: str
    model: str
    calls: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    """None: the model's price is unknown."""


def estimate_run(
    request: SearchRequest,
    space: SearchSpace,
    partition: Partition,
    metric: Metric,
    options: ModelOptions | None = None,
    about: str = "",
) -> tuple[RoleEstimate, ...]:
    """What a search will ask of its models, by role.

    The opening is asked for in a few parts, each of them twice; then the Analyst of every niche
    that trains in a generation, and the Designer for its share of the slots. Prompts are rendered
    for a niche half way through the run, with invented numbers.
    """
    options = (options or ModelOptions()).model_copy(update={"record": None, "replay": None})
    agents = open_agents(
        request,
        space,
        partition,
        metric=metric,
        options=options,
        transport=NonsenseTransport(),
        about=about,
    )
    models = role_models(request.model, options)
    prices = role_prices(models, options.base_url or request.base_url)
    view = _middle_view(request, space, partition, metric)
    lexicon = agents.lexicon
    most = most_networks(lexicon, options.max_reply_tokens)
    opening = max(1, min(most, int(request.opening * HEDGE)))
    asked = {
        "opener": (agents.opener.request(opening), tokens_of_answer(lexicon, opening)),
        "analyst": (agents.analyst.request(view, ()), TOKENS_PER_ANALYSIS),
        "designer": (agents.designer.request(view, ()), tokens_of_answer(lexicon, 2)),
    }
    calls = estimated_calls(request, len(partition.niches), most)
    return tuple(
        RoleEstimate(
            role=role,
            model=prompt.model,
            calls=calls[role],
            tokens_in=calls[role] * prompt.prompt_tokens,
            tokens_out=calls[role] * answer,
            usd=price_of(prices[role], calls[role] * prompt.prompt_tokens, calls[role] * answer),
        )
        for role, (prompt, answer) in asked.items()
        if calls[role]
    )


def estimated_calls(request: SearchRequest, niches: int, most: int) -> dict[str, int]:
    """Calls by role; `most` networks fit into one answer."""
    opens = request.open in (None, "model")
    later = max(request.trainings - request.opening, 0)
    generations = math.ceil(later / request.batch)
    return {
        "opener": ASKED_TO_OPEN * math.ceil(int(request.opening * HEDGE) / most) if opens else 0,
        "analyst": generations * min(request.batch, niches),
        "designer": math.ceil(later * request.model_share),
    }


def estimate_lines(roles: tuple[RoleEstimate, ...]) -> list[str]:
    """For people: the whole, then role by role, then how old the prices are."""
    rows = price_rows()
    unpriced = sorted({role.model for role in roles if role.usd is None})
    usd = None if unpriced else sum(role.usd or 0.0 for role in roles)
    whole = [sum(getattr(role, name) for role in roles) for name in _COUNTS]
    lines = [f"estimate, at most: {_spend(whole, usd)}"]
    for role in roles:
        counts = [getattr(role, name) for name in _COUNTS]
        lines.append(f"  {role.role}, {role.model}: {_spend(counts, role.usd)}")
    for model in sorted({role.model for role in roles if role.usd is not None} & set(rows)):
        # A user's own row need not say when and where its price was read.
        age = rows[model].get("as_of") or "an unknown date"
        source = rows[model].get("source") or "your table"
        lines.append(f"  price of {model}: as of {age}, {source}")
    if unpriced:
        models = ", ".join(unpriced)
        lines.append(f"  no price is known for {models}; add a row to {user_table()}")
    return lines


_COUNTS = ("calls", "tokens_in", "tokens_out")


def _spend(counts: list[int], usd: float | None) -> str:
    price = "price unknown" if usd is None else f"{usd:.2f} USD"
    return f"{counts[0]} calls, {counts[1]}+{counts[2]} tokens, {price}"


def _middle_view(
    request: SearchRequest, space: SearchSpace, partition: Partition, metric: Metric
) -> NicheView:
    """A niche half way through: half of its share trained, a third of those on its front."""
    niche = partition.niches[len(partition.niches) // 2]
    share = request.trainings // len(partition.niches)
    rng = np.random.default_rng(0)
    measured = tuple(
        Measurement(
            arch=space.sample(rng, niche.condition),
            niche=niche.id,
            generation=0,
            value=50.0 + place,
            latency_ms=1.0 + place / 10,
            latency_low_ms=1.0 + place / 10,
            latency_high_ms=1.0 + place / 10,
        )
        for place in range(min(max(share // 2, 1), _MOST_SHOWN))
    )
    return NicheView(
        context=ContextName(
            space=space.name, task=place_name(request.task), device=place_name(request.device)
        ),
        metric=metric,
        niche=niche,
        generation=1,
        slots=1,
        limits=request.limits,
        archive=measured[: len(measured) // 3 + 1],
        measured=measured,
        gaps_ms=((1.0, 2.0), (3.0, 3.5)),
        failures=(),
    )
