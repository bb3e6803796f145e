"""An estimate of calls, tokens and money before a run, role by role, from its own prompts."""

import math
from collections.abc import Mapping

import numpy as np

from llm_nas.agents.budget.prices import price_rows, role_prices, user_table
from llm_nas.agents.budget.usage import PriceUsd, price_of
from llm_nas.agents.chat.nonsense import NonsenseTransport
from llm_nas.agents.chat.options import ModelOptions, model_label, role_models
from llm_nas.agents.model.analyst import ModelAnalyst
from llm_nas.agents.model.ask import Asker
from llm_nas.agents.model.designer import ModelDesigner
from llm_nas.agents.model.networks import most_networks, tokens_of_answer
from llm_nas.agents.model.open import place_name, run_lexicon, with_url
from llm_nas.agents.model.opener import ModelOpener
from llm_nas.agents.model.prompts import TOKEN_LIMITS
from llm_nas.domain import ContextName, Measurement, Metric, SearchRequest
from llm_nas.frozen import Frozen
from llm_nas.ports import NicheView, Partition, SearchSpace

TOKENS_PER_ANALYSIS = 350
HEDGE = 0.5
"""Share of the opening that is the model's at most."""


class Amount(Frozen):
    """What is expected to be needed, and at most without repairs and retries."""

    calls: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    """None: a price is unknown; so is `usd_limit` then."""
    tokens_in_limit: int
    tokens_out_limit: int
    usd_limit: float | None


class RoleEstimate(Amount):
    """The part of one role."""

    role: str
    model: str


class Estimate(Amount):
    """The sum over roles."""

    roles: tuple[RoleEstimate, ...]
    unpriced: tuple[str, ...] = ()
    """Models without a known price."""


def estimate_run(
    request: SearchRequest,
    space: SearchSpace,
    partition: Partition,
    metric: Metric,
    options: ModelOptions | None = None,
    about: str = "",
) -> Estimate:
    """What a search will ask of its models.

    The opening is asked for once or in a few parts; then the Analyst of every niche that trains
    in a generation, and the Designer for its share of the slots. Prompts are rendered for a niche
    half way through the run, with invented numbers. Repairs and retries come on top; `*_limit`
    are bounds per call times calls.
    """
    options = with_url(request, options or ModelOptions())
    models = role_models(request.model, options)
    prices = role_prices(models, options.base_url)
    lexicon = run_lexicon(request, space, partition)
    silent = NonsenseTransport()
    askers = {role: Asker(silent, m, lexicon, options) for role, m in models.items()}
    view = _middle_view(request, space, partition, metric)
    opener = ModelOpener(
        askers["opener"],
        partition,
        metric=metric,
        limits=request.limits,
        task=view.context.task,
        device=view.context.device,
        about=about,
    )
    most = most_networks(lexicon, options.max_reply_tokens)
    calls = estimated_calls(request, len(partition.niches), most)
    asked = {
        "opener": opener.request(min(most, max(int(request.opening * HEDGE), 1))),
        "analyst": ModelAnalyst(askers["analyst"], about).request(view, ()),
        "designer": ModelDesigner(askers["designer"], about).request(view, ()),
    }
    answers = {
        "opener": tokens_of_answer(lexicon, min(most, max(int(request.opening * HEDGE), 1))),
        "analyst": TOKENS_PER_ANALYSIS,
        "designer": tokens_of_answer(lexicon, 2),
    }
    roles = [
        estimate_role(
            role,
            model_label(models[role]),
            calls[role],
            (prompt.prompt_tokens, answers[role]),
            (TOKEN_LIMITS[role], options.max_reply_tokens),
            prices[role],
        )
        for role, prompt in asked.items()
        if calls[role]
    ]
    return total(tuple(roles))


def estimated_calls(request: SearchRequest, niches: int, most: int) -> dict[str, int]:
    """Calls by role; `most` networks fit into one answer."""
    opens = request.open in (None, "model")
    later = max(request.trainings - request.opening, 0)
    generations = math.ceil(later / request.batch)
    busy = min(request.batch, niches)
    return {
        "opener": math.ceil(int(request.opening * HEDGE) / most) if opens else 0,
        "analyst": generations * busy,
        "designer": math.ceil(later * request.model_share),
    }


def estimate_role(
    role: str,
    model: str,
    calls: int,
    tokens: tuple[int, int],
    limits: tuple[int, int],
    price: PriceUsd | None,
) -> RoleEstimate:
    """Calls times tokens `(in, out)` of one, expected and at most."""
    tokens_in, tokens_out = (calls * n for n in tokens)
    most_in, most_out = (calls * n for n in limits)
    return RoleEstimate(
        role=role,
        model=model,
        calls=calls,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        usd=price_of(price, tokens_in, tokens_out),
        tokens_in_limit=most_in,
        tokens_out_limit=most_out,
        usd_limit=price_of(price, most_in, most_out),
    )


def total(roles: tuple[RoleEstimate, ...]) -> Estimate:
    """Roles added up."""
    return Estimate(
        roles=roles,
        calls=sum(r.calls for r in roles),
        tokens_in=sum(r.tokens_in for r in roles),
        tokens_out=sum(r.tokens_out for r in roles),
        usd=_sum_known([r.usd for r in roles]),
        tokens_in_limit=sum(r.tokens_in_limit for r in roles),
        tokens_out_limit=sum(r.tokens_out_limit for r in roles),
        usd_limit=_sum_known([r.usd_limit for r in roles]),
        unpriced=tuple(sorted({r.model for r in roles if r.usd is None})),
    )


def _sum_known(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) if len(known) == len(values) else None


def estimate_lines(estimate: Estimate) -> list[str]:
    """For people: the whole, then role by role, then how old the prices are."""
    rows = price_rows()
    lines = [f"estimate, at most: {_spend(estimate)}"]
    lines += [f"  {role.role}, {role.model}: {_spend(role)}" for role in estimate.roles]
    lines += [f"  price of {model}: {_age(rows[model])}" for model in _priced(estimate, rows)]
    if estimate.unpriced:
        unknown = ", ".join(estimate.unpriced)
        lines.append(f"  no price is known for {unknown}; add a row to {user_table()}")
    return lines


def _spend(part: Amount) -> str:
    usd = "price unknown" if part.usd is None else f"{part.usd:.2f} USD"
    return f"{part.calls} calls, {part.tokens_in}+{part.tokens_out} tokens, {usd}"


def _priced(estimate: Estimate, rows: Mapping[str, object]) -> list[str]:
    models = {role.model for role in estimate.roles} - set(estimate.unpriced)
    return sorted(models & set(rows))


def _age(row: Mapping[str, str]) -> str:
    """When and where a price was read; a user's row need not say."""
    return f"as of {row.get('as_of') or 'an unknown date'}, {row.get('source') or 'your table'}"


def _middle_view(
    request: SearchRequest, space: SearchSpace, partition: Partition, metric: Metric
) -> NicheView:
    """A niche half way through: half of its share trained, a third of those on its front."""
    niche = partition.niches[len(partition.niches) // 2]
    share = max(request.trainings // len(partition.niches), 1)
    rng = np.random.default_rng(0)
    measured = tuple(
        Measurement(
            arch=space.sample(rng, niche.condition),
            niche=niche.id,
            generation=0,
            value=metric.value(metric.error(50.0) * (1 - place / 1000)),
            latency_ms=1.0 + place / 10,
            latency_low_ms=1.0 + place / 10,
            latency_high_ms=1.0 + place / 10,
        )
        for place in range(min(max(share // 2, 1), 40))
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
