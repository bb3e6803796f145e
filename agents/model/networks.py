"""From a model's JSON to networks: what is legal, and what was written where it is not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llm_nas.agents.model.ask import Form, FormatError
from llm_nas.agents.model.blind import Lexicon
from llm_nas.agents.model.schema import networks_schema
from llm_nas.agents.validator import nearest_legal
from llm_nas.conditions import (
    AllOf,
    Condition,
    Count,
    Facts,
    Leaf,
    Quantity,
    Value,
    in_words,
    leaves,
    matches,
)
from llm_nas.domain import Arch
from llm_nas.errors import RequestError

MOST_NETWORKS = 12
"""Networks of one answer."""
TOKENS_OF_A_REASON = 50
_TOKENS_OF_A_CHOICE = 8
_TOKENS_OF_A_PLAN = 200
_LONGEST_REASON = 400
_LONGEST_TEXT = 2_000
"""Characters kept of what is no network."""


@dataclass(frozen=True, slots=True)
class Written:
    """One network of an answer."""

    text: str
    """As it was written, in the space's own words: the Validator puts it right and counts it."""
    reason: str
    arch: Arch | None
    """What it means, the nearest legal network; None where that is too far."""
    problem: str = ""


def networks_form(lexicon: Lexicon, condition: Condition, count: int) -> Form:
    """The form of an answer with `count` networks of a niche."""
    schema = networks_schema(lexicon, condition, count)
    shown = {lexicon.key(choice): lexicon.tokens(choice)[0] for choice in lexicon.choices}
    example = json.dumps({"reason": "at most 20 words", **shown})
    hint = (
        f'Answer with one JSON object {{"plan": "...", "networks": [...]}} with {count} networks, '
        f"each of the form {example}, null for what is left out, and nothing else."
    )
    return Form("networks", schema, hint)


def tokens_of_answer(lexicon: Lexicon, count: int) -> int:
    """Tokens that an answer of `count` networks takes, about."""
    one = TOKENS_OF_A_REASON + _TOKENS_OF_A_CHOICE * len(lexicon.choices)
    return _TOKENS_OF_A_PLAN + count * one


def most_networks(lexicon: Lexicon, max_reply_tokens: int) -> int:
    """How many networks fit into one answer."""
    one = tokens_of_answer(lexicon, 1) - _TOKENS_OF_A_PLAN
    return max(1, min(MOST_NETWORKS, (max_reply_tokens - _TOKENS_OF_A_PLAN) // one))


def read_networks(lexicon: Lexicon, answer: Mapping[str, Any]) -> list[Written]:
    """What an answer lists; `FormatError` when nothing in it is a network."""
    listed = answer.get("networks")
    if not isinstance(listed, list) or not listed:
        raise FormatError('it needs a key "networks" with a list of networks')
    items = cast(list[object], listed)[: 2 * MOST_NETWORKS]
    written = [_read(lexicon, item) for item in items]
    if all(w.arch is None for w in written):
        raise FormatError(f"no network is legal: {written[0].problem}")
    return written


def _read(lexicon: Lexicon, item: object) -> Written:
    """Takes one key a choice, the space's own text under `arch`, or that text alone."""
    fields = cast(Mapping[str, object], item) if isinstance(item, dict) else {"arch": item}
    reason = " ".join(str(fields.get("reason") or "").split())[:_LONGEST_REASON]
    said = fields.get("arch")
    text = said if isinstance(said, str) else _as_written(lexicon, fields)
    try:
        arch, _ = nearest_legal(lexicon.space, text)
    except RequestError as error:
        return Written(text[:_LONGEST_TEXT], reason, None, lexicon.hide(str(error)))
    return Written(text[:_LONGEST_TEXT], reason, arch)


def _as_written(lexicon: Lexicon, fields: Mapping[str, object]) -> str:
    """What was said of the choices, in the space's own words; its canonical text where legal."""
    values: dict[str, Value] = {}
    for choice in lexicon.space.choices:
        said = fields.get(lexicon.key(choice))
        if said is not None:
            value = lexicon.value(choice, said)
            values[choice.name] = "".join(str(said).split()) if value is None else value
    try:
        return lexicon.space.arch(values)
    except RequestError:
        pairs = " ".join(f"{name}={value}" for name, value in values.items())
        return pairs or json.dumps(dict(fields), default=str)


def why_outside(lexicon: Lexicon, condition: Condition, facts: Facts) -> str:
    """What keeps a network out of a niche, with the numbers it has, in the model's words."""
    parts: Sequence[Condition] = condition.parts if isinstance(condition, AllOf) else (condition,)
    unmet = next((part for part in parts if not matches(part, facts)), None)
    if unmet is None:
        return ""
    numbers = [_number_of(lexicon, leaf, facts) for leaf, _ in leaves(unmet)]
    told = [number for number in dict.fromkeys(numbers) if number]
    return ", ".join([*told, f"expected {in_words(lexicon.condition(unmet))}"])


def _number_of(lexicon: Lexicon, leaf: Leaf, facts: Facts) -> str:
    if isinstance(leaf, Quantity) and leaf.name in facts.quantities:
        return f"{lexicon.name(leaf.name)} is {facts.quantities[leaf.name]:.4g}"
    if isinstance(leaf, Count):
        members = facts.groups.get(leaf.group, ())
        number = sum(facts.values.get(name) in leaf.values for name in members)
        return f"{number} of {lexicon.name(leaf.group)}"
    return ""
