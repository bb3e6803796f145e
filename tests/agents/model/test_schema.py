"""Schemas of any space: strict, narrowed by a niche's plain conditions, bounded in size."""

import json
import random
from typing import Any, cast

import numpy as np
import pytest

from llm_nas.agents.chat.nonsense import random_instance
from llm_nas.agents.model.blind import Lexicon, blind_lexicon, open_lexicon
from llm_nas.agents.model.claims import SCOPES
from llm_nas.agents.model.networks import most_networks, networks_form, read_networks
from llm_nas.agents.model.schema import (
    MOST_VALUES,
    claims_schema,
    narrowed,
    networks_schema,
)
from llm_nas.choices import Choice
from llm_nas.conditions import AllOf, Anything, Bound, Count, Is, Not, Quantity, matches
from llm_nas.ports import Partition, SearchSpace
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space
from llm_nas.tools.spaces.space import Space

STRICT = {
    "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum",
    "minItems", "maxItems", "minimum", "maximum", "maxLength",
}  # fmt: skip


def nodes_in(schema: Any) -> list[dict[str, Any]]:
    """Every part of a schema that is a schema itself."""
    node = cast(dict[str, Any], schema)
    parts = [*node.get("properties", {}).values(), *node.get("anyOf", ())]
    parts += [node["items"]] if "items" in node else []
    return [node, *(inner for part in parts for inner in nodes_in(part))]


def spaces() -> list[SearchSpace]:
    wide = [Choice(f"w{i}", tuple(range(1, 200)), ordered=True) for i in range(60)]
    return [open_space("nb201"), open_space("anb"), open_space("hwgpt-s"), Space("wide", wide)]


@pytest.mark.parametrize("space", spaces(), ids=lambda s: s.name)
def test_schemas_obey_strict_mode(space: SearchSpace) -> None:
    lexicon = open_lexicon(space)
    networks = networks_schema(lexicon, Anything(), 4)
    for schema in (networks, claims_schema(lexicon, SCOPES, ["H1", "H2"], 3)):
        assert json.loads(json.dumps(schema)) == schema
        nodes = nodes_in(schema)
        assert sum(len(node.get("enum", ())) for node in nodes) <= MOST_VALUES + 100
        for node in nodes:
            assert set(node) <= STRICT
            if "properties" in node:
                assert node["additionalProperties"] is False
                assert node["required"] == list(node["properties"])
    assert len(json.dumps(networks)) < 20_000


def test_a_niche_narrows_what_it_says_plainly(space: SearchSpace) -> None:
    condition = AllOf(
        parts=(
            Is(choice="pool", values=("max", "none")),
            Bound(choice="width", relation="ge", value=30),
            Not(part=Is(choice="k1", values=(5,))),
            Count(group="kernels", values=(7,), relation="ge", count=1),
            AllOf(parts=(Bound(choice="e1", relation="le", value=4), Quantity(name="macs_m"))),
        )
    )
    left = narrowed(space.choices, condition)
    assert left["pool"] == ("max", "none")
    assert left["width"] == (32, 48, 64)
    assert left["k1"] == (3, 7)
    assert left["e1"] == (1, 4)
    assert left["k2"] == (3, 5, 7)


def test_only_conditional_choices_may_be_left_out(space: SearchSpace) -> None:
    def stride(condition: Is | Anything) -> dict[str, Any]:
        schema = networks_schema(open_lexicon(space), condition, 1)
        items: dict[str, Any] = schema["properties"]["networks"]["items"]["properties"]
        assert None not in items["pool"]["enum"]
        found: dict[str, Any] = items["stride"]
        return found

    assert stride(Anything()) == {"type": ["integer", "null"], "enum": [2, 3, None]}
    assert stride(Is(choice="stride", values=(3,))) == {"type": "integer", "enum": [3]}


def test_a_choice_of_many_values_becomes_a_range() -> None:
    space = Space("long", [Choice("n", tuple(range(8, 520, 4)), ordered=True)])
    schema = networks_schema(open_lexicon(space), Anything(), 1)
    one = schema["properties"]["networks"]["items"]["properties"]["n"]
    assert one == {"type": "integer", "minimum": 8, "maximum": 516}


def lexicon_for(space: SearchSpace, partition: Partition, *, blind: bool) -> Lexicon:
    if not blind:
        return open_lexicon(space)
    return blind_lexicon(space, partition, np.random.default_rng(5))


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("name", ["nb201", "anb", "hwgpt-s"])
def test_any_answer_of_the_schema_is_read(name: str, blind: bool) -> None:
    space = open_space(name)
    lexicon = lexicon_for(space, open_partition(None, space), blind=blind)
    for seed in range(5):
        form = networks_form(lexicon, Anything(), 3)
        answer = cast(dict[str, Any], random_instance(form.schema, random.Random(seed)))
        written = read_networks(lexicon, answer)
        assert sum(w.arch is not None for w in written) >= 1
        for network in written:
            assert network.arch is None or space.parse(network.arch) == network.arch


@pytest.mark.parametrize("blind", [False, True])
def test_plain_niches_are_met_by_construction(
    space: SearchSpace, partition: Partition, blind: bool
) -> None:
    lexicon = lexicon_for(space, partition, blind=blind)
    for niche in partition.niches:
        form = networks_form(lexicon, niche.condition, 6)
        answer = cast(dict[str, Any], random_instance(form.schema, random.Random(1)))
        for written in read_networks(lexicon, answer):
            assert written.arch is not None
            assert matches(niche.condition, space.facts(written.arch))


def test_an_answer_fits_its_limit(space: SearchSpace) -> None:
    assert most_networks(open_lexicon(space), 4000) == 12
    assert most_networks(open_lexicon(open_space("hwgpt-s")), 1000) < 5
    assert most_networks(open_lexicon(open_space("hwgpt-s")), 64) == 1


def test_without_heuristics_there_is_nothing_to_vote_on(space: SearchSpace) -> None:
    schema = claims_schema(open_lexicon(space), SCOPES, [], 3)
    assert set(schema["properties"]) == {"claims", "note"}
