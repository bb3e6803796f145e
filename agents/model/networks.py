"""From a model's JSON to networks: what is legal, and what was written where it is not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llm_nas.agents.model.ask import Form, FormatError
from llm_nas.agents.model.blind import Lexicon
from llm_nas.agents.model.schema import networks_schema
from llm_nas.conditions import AllOf, Condition, Count, Facts, Quantity, in_words, matches
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
    """One network of an answer; `problem` says why `arch` is none, where it is as it was written."""

    arch: Arch
    reason: str = ""
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
    if all(w.problem for w in written):
        raise FormatError(f"no network is legal: {written[0].problem}")
    return written


def _read(lexicon: Lexicon, item: object) -> Written:
    """Takes one key a choice, the space's own text under `arch`, or that text alone."""
    fields = cast(Mapping[str, object], item) if isinstance(item, dict) else {"arch": item}
    reason = " ".join(str(fields.get("reason") or "").split())[:_LONGEST_REASON]
    text = fields.get("arch")
    try:
        if isinstance(text, str):
            return Written(lexicon.space.parse(text), reason)
        return Written(_arch(lexicon, fields), reason)
    except RequestError as error:
        said = text if isinstance(text, str) else _as_written(lexicon, fields)
        return Written(said[:_LONGEST_TEXT], reason, lexicon.hide(str(error)))


def _arch(lexicon: Lexicon, fields: Mapping[str, object]) -> Arch:
    values = {}
    for choice in lexicon.choices:
        said = fields.get(lexicon.key(choice))
        if said is None:
            continue
        value = lexicon.value(choice, said)
        if value is None:
            allowed = ", ".join(str(token) for token in lexicon.tokens(choice))
            key = lexicon.key(choice)
            raise RequestError(f"{key} is {str(said)[:40]!r}, expected one of {allowed}")
        values[choice.name] = value
    return lexicon.space.arch(values)


def _as_written(lexicon: Lexicon, fields: Mapping[str, object]) -> str:
    """What was said of the choices, for the Validator to put right or to reject."""
    parts: list[str] = []
    for choice in lexicon.space.choices:
        said = fields.get(lexicon.key(choice))
        if said is not None:
            value = lexicon.value(choice, said)
            parts.append(f"{choice.name}={''.join(str(said if value is None else value).split())}")
    return " ".join(parts) or json.dumps(dict(fields), default=str)


def why_outside(lexicon: Lexicon, condition: Condition, facts: Facts) -> str:
    """What keeps a network out of a niche, with the number it has, in the model's words."""
    parts: Sequence[Condition] = condition.parts if isinstance(condition, AllOf) else (condition,)
    for part in parts:
        if matches(part, facts):
            continue
        wanted = f"expected {in_words(lexicon.condition(part))}"
        if isinstance(part, Quantity) and part.name in facts.quantities:
            number = facts.quantities[part.name]
            return f"{lexicon.name(part.name)} is {number:.4g}, {wanted}"
        if isinstance(part, Count):
            members = facts.groups.get(part.group, ())
            number = sum(facts.values.get(name) in part.values for name in members)
            return f"{number} of {lexicon.name(part.group)}, {wanted}"
        return wanted
    return ""
