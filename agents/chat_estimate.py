"""An estimate of calls, tokens and money before a run, role by role, from its own prompts."""

from collections.abc import Mapping

import numpy as np

from llm_nas.agents.chat import ChatRequest
from llm_nas.agents.chat_agents import role_prices, run_lexicon
from llm_nas.agents.chat_nonsense import NonsenseTransport
from llm_nas.agents.chat_options import ModelOptions, role_models
from llm_nas.agents.model_analyst import ModelAnalyst
from llm_nas.agents.model_designer import ModelDesigner
from llm_nas.agents.model_plan import plan_children
from llm_nas.agents.model_seat import Seat
from llm_nas.agents.prices import price_rows, user_table
from llm_nas.agents.prompts import TOKEN_LIMITS, estimate_tokens
from llm_nas.agents.usage import PriceUsd, price_of
from llm_nas.domain import Frozen, Measurement, SearchRequest
from llm_nas.ports import NicheView, Partition, SearchSpace

TOKENS_PER_CELL = 100
"""Seen with a 1.5B model: four cells with rationales are about 400 tokens."""
TOKENS_PER_ANALYSIS = 350


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
    options: ModelOptions | None = None,
) -> Estimate:
    """What a search will ask of its models: at most two calls per niche and generation.

    Prompts are rendered for a niche half way through the run, with invented numbers. Repairs
    and retries come on top; `*_limit` are bounds per call times calls.
    """
    options = options or ModelOptions()
    models = role_models(request.model, options)
    view = _middle_view(request, space, partition)
    lexicon = run_lexicon(request, space, partition, options)
    silent = NonsenseTransport()
    analyst = ModelAnalyst(Seat(silent, models["analyst"], lexicon, options), partition)
    designer = ModelDesigner(Seat(silent, models["designer"], lexicon, options), partition)
    children = plan_children(view, np.random.default_rng(0))
    asked = {
        "analyst": (analyst.request(view, ()), TOKENS_PER_ANALYSIS),
        "designer": (designer.request(view, (), children), TOKENS_PER_CELL * len(children)),
    }
    prices = role_prices(models, options)
    calls = request.generations * len(partition.niches)
    return total(
        tuple(
            estimate_role(
                role,
                models[role],
                calls,
                (_prompt_tokens(prompt), tokens_out),
                (TOKEN_LIMITS[role], options.max_reply_tokens),
                prices[role],
            )
            for role, (prompt, tokens_out) in asked.items()
        )
    )


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
