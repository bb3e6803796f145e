"""Narrowed schemas: exact covers of niches, and OpenAI's strict rules."""

import json
import random
from itertools import product
from math import comb
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_nas.agents.model_analyst import SCOPES
from llm_nas.agents.model_designer import read_cell

from llm_nas.agents.chat.nonsense import random_instance
from llm_nas.agents.model.blind import Lexicon, blind_lexicon, open_lexicon
from llm_nas.agents.model.schema import (
    Box,
    cells_schema,
    choices,
    claims_schema,
    niche_boxes,
    part_of_niche,
)
from llm_nas.domain import IntArray
from llm_nas.ports import Partition, SearchSpace
from llm_nas.tools.partition import make_partition

NICHES = ("S0", "S1", "S2", "S3", "S4", "S5")


def members_of(space: SearchSpace, boxes: tuple[Box, ...]) -> set[int]:
    """The slow twin: the cells the boxes admit, one by one."""
    return {space.index(cell) for box in boxes for cell in product(*box)}


@pytest.mark.parametrize("niche", NICHES)
def test_the_union_of_the_boxes_is_the_niche(
    space: SearchSpace, partition: Partition, niche: str
) -> None:
    boxes = niche_boxes(space, partition.members(niche))
    assert boxes is not None
    assert members_of(space, boxes) == set(partition.members(niche).tolist())


def test_box_counts_have_closed_forms(space: SearchSpace, partition: Partition) -> None:
    counts = {n: len(niche_boxes(space, partition.members(n)) or ()) for n in NICHES}
    assert counts == {
        "S0": 1,
        "S1": 6,
        "S2": comb(6, 1),
        "S3": comb(6, 2),
        "S4": comb(6, 3),
        "S5": comb(6, 4),
    }


def test_exactly_two_3x3_becomes_fifteen_placements(
    space: SearchSpace, partition: Partition
) -> None:
    boxes = niche_boxes(space, partition.members("S3"))
    assert boxes is not None
    conv = space.operations.index("nor_conv_3x3")
    others = tuple(op for op in range(5) if op != conv)
    for box in boxes:
        assert sorted(box, key=len) == [(conv,), (conv,), others, others, others, others]


def test_no_partition_is_one_box_and_other_counts_work(space: SearchSpace) -> None:
    everything = make_partition(space, "none")
    boxes = niche_boxes(space, everything.members("all"))
    assert boxes == (((0, 1, 2, 3, 4),) * 6,)
    pools = make_partition(space, "count:avg_pool_3x3")
    for niche in pools.niches:
        found = niche_boxes(space, pools.members(niche.id))
        assert found is not None
        assert members_of(space, found) == set(pools.members(niche.id).tolist())


def test_a_random_niche_has_no_small_cover(space: SearchSpace) -> None:
    dealt = make_partition(space, "random", seed=1)
    assert niche_boxes(space, dealt.members("R2")) is None
    assert niche_boxes(space, np.array([], dtype=np.int64)) is None


def test_a_small_niche_without_structure_is_listed(space: SearchSpace) -> None:
    members: IntArray = np.random.default_rng(3).choice(space.size, 200, replace=False)
    lexicon = open_lexicon(space)
    schema = cells_schema(lexicon, None, members, 2)
    listed = schema["properties"]["cells"]["items"]["properties"]["ops"]["enum"]
    assert len(listed) == 200
    cell, _ = read_cell(lexicon, {"ops": listed[17], "rationale": "x"})
    assert space.index(cell) == members[17]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), niche=st.sampled_from(NICHES), blind=st.booleans())
def test_every_valid_answer_is_in_the_niche(
    space: SearchSpace, partition: Partition, seed: int, niche: str, blind: bool
) -> None:
    lexicon = lexicon_for(space, partition, blind)
    members = partition.members(niche)
    schema = cells_schema(lexicon, niche_boxes(space, members), members, 3)
    answer: Any = random_instance(schema, random.Random(seed))
    assert len(answer["cells"]) == 3
    for item in answer["cells"]:
        cell, rationale = read_cell(lexicon, item)
        assert partition.niche_of(cell) == niche
        assert rationale


@pytest.mark.parametrize("seed", range(2))
def test_a_part_of_an_irregular_niche_lies_inside_it_and_holds_the_front(
    space: SearchSpace, seed: int
) -> None:
    """Equal parts of a made-up latency: no small cover, yet no box leaves the niche."""
    rng = np.random.default_rng(seed)
    cost = space.codes() @ rng.normal(size=len(space.edges)) + rng.normal(size=space.size)
    members: IntArray = np.sort(np.argsort(cost)[5000:7600])
    assert niche_boxes(space, members) is None
    front = [space.cell(int(i)) for i in rng.choice(members, 5, replace=False)]
    boxes = part_of_niche(space, members, front, rng)
    assert boxes is not None
    assert choices(boxes) <= 800
    covered = members_of(space, boxes)
    assert covered <= set(members.tolist())
    assert {space.index(cell) for cell in front} <= covered
    other = part_of_niche(space, members, (), np.random.default_rng(seed + 100))
    assert other is not None
    assert len(covered | members_of(space, other)) > len(covered)


def test_a_part_of_a_regular_niche_is_the_niche(space: SearchSpace, partition: Partition) -> None:
    boxes = part_of_niche(space, partition.members("S3"), (), np.random.default_rng(0))
    assert boxes is not None
    assert members_of(space, boxes) == set(partition.members("S3").tolist())


def lexicon_for(space: SearchSpace, partition: Partition, blind: bool) -> Lexicon:
    if not blind:
        return open_lexicon(space)
    return blind_lexicon(space, partition, np.random.default_rng(5))


def objects_in(schema: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if isinstance(schema, dict):
        node = cast(dict[str, Any], schema)
        if node.get("type") == "object":
            found.append(node)
        for part in node.values():
            found.extend(objects_in(part))
    if isinstance(schema, list):
        for part in cast(list[object], schema):
            found.extend(objects_in(part))
    return found


@pytest.mark.parametrize("niche", NICHES)
def test_schemas_obey_strict_mode(space: SearchSpace, partition: Partition, niche: str) -> None:
    lexicon = open_lexicon(space)
    members = partition.members(niche)
    boxes = niche_boxes(space, members)
    assert boxes is not None
    assert choices(boxes) <= 800
    cells = cells_schema(lexicon, boxes, members, 4)
    claims = claims_schema(lexicon, SCOPES, ["H1", "H2"])
    for schema in (cells, claims):
        assert schema["type"] == "object"
        assert json.loads(json.dumps(schema)) == schema
        for node in objects_in(schema):
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])


def test_without_heuristics_there_is_nothing_to_vote_on(space: SearchSpace) -> None:
    schema = claims_schema(open_lexicon(space), SCOPES, [])
    assert set(schema["properties"]) == {"claims", "note"}
