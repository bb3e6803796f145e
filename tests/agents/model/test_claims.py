"""Typed claims out of a model's JSON."""

from typing import Any

import pytest
from llm_nas.agents.model_claims import ClaimReader

from llm_nas.agents.model.ask import FormatError
from llm_nas.agents.model.blind import open_lexicon
from llm_nas.claims import AllOf, AnyOf, Claim, OpAt, OpCount, matches
from llm_nas.ports import NicheView, SearchSpace

NO_EDGES: list[str] = []


def claim(**changes: object) -> dict[str, Any]:
    return {
        "all_of": [{"kind": "op_count", "op": "avg_pool_3x3", "relation": "ge", "count": 2}],
        "objective": "latency",
        "direction": "raises",
        "size": 0.4,
        "scope": "this device",
        "because": "P1 and\nP3",
    } | changes


def read(space: SearchSpace, view: NicheView, item: object) -> Claim:
    return ClaimReader(open_lexicon(space), "stub").read(view, item)


def test_a_claim_is_read(space: SearchSpace, view: NicheView) -> None:
    made = read(space, view, claim())
    assert made.condition == OpCount(op="avg_pool_3x3", relation="ge", count=2)
    assert made.statement == "at least 2 avg_pool_3x3 raises latency by 0.4 ms (edgegpu)"
    assert (made.origin.source, made.origin.generation) == ("stub", 1)
    assert made.wording == "P1 and P3"


def test_edges_and_conjunctions_become_conditions(space: SearchSpace, view: NicheView) -> None:
    at = {"kind": "op_at", "op": "none", "edges": ["edge_1_4", "edge_3_4", "edge_1_4"]}
    path = {"kind": "op_on_path", "op": "nor_conv_3x3"}
    made = read(space, view, claim(all_of=[at, path]))
    assert isinstance(made.condition, AllOf)
    places = made.condition.parts[0]
    assert places == AnyOf(parts=(OpAt(edge="1>4", op="none"), OpAt(edge="3>4", op="none")))
    arch = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
    assert matches(made.condition, space.facts(space.parse(arch)))


@pytest.mark.parametrize(
    ("objective", "scope", "datasets", "devices", "niches"),
    [
        ("latency", "everywhere", (), (), ()),
        ("latency", "this device", (), ("edgegpu",), ()),
        ("latency", "this niche", (), ("edgegpu",), ("S3",)),
        ("accuracy", "this device", ("cifar10",), (), ()),
        ("accuracy", "this niche", ("cifar10",), (), ("S3",)),
    ],
)
def test_scopes(
    space: SearchSpace,
    view: NicheView,
    objective: str,
    scope: str,
    datasets: tuple[str, ...],
    devices: tuple[str, ...],
    niches: tuple[str, ...],
) -> None:
    made = read(space, view, claim(objective=objective, scope=scope)).scope
    assert made.space == space.name
    assert (made.datasets, made.devices, made.niches) == (datasets, devices, niches)


@pytest.mark.parametrize(("size", "kept"), [(-0.5, 0.5), (None, None), (0, None), ("big", None)])
def test_sizes_are_positive_or_unknown(
    space: SearchSpace, view: NicheView, size: object, kept: float | None
) -> None:
    assert read(space, view, claim(size=size)).effect.size == kept


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("text", "JSON object"),
        (claim(all_of=[]), "at least one condition"),
        (claim(all_of=["x"]), "JSON object"),
        (claim(all_of=[{"kind": "magic"}]), "kind 'magic' is unknown"),
        (claim(all_of=[{"kind": "op_on_path", "op": "conv5x5"}]), "expected one of skip_connect"),
        (claim(all_of=[{"kind": "op_at", "op": "none", "edges": NO_EDGES}]), "at least one edge"),
        (claim(all_of=[{"kind": "op_at", "op": "none", "edges": ["9"]}]), "edge '9' is unknown"),
        (
            claim(all_of=[{"kind": "op_count", "op": "none", "relation": "gt", "count": 1}]),
            "relation",
        ),
        (claim(all_of=[{"kind": "dead_edges", "relation": "ge", "count": -1}]), "count"),
        (claim(direction="sideways"), "direction"),
        (claim(objective="beauty"), "objective"),
        (claim(size=float("inf")), "size"),
    ],
)
def test_what_is_wrong_is_named_for_the_model(
    space: SearchSpace, view: NicheView, item: object, told: str
) -> None:
    with pytest.raises(FormatError, match=told):
        read(space, view, item)
