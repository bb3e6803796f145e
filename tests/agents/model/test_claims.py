"""A model's claims become typed ones, or it is told what is wrong."""

from typing import Any

import pytest

from llm_nas.agents.model.ask import FormatError
from llm_nas.agents.model.blind import open_lexicon
from llm_nas.agents.model.claims import SCOPES, ClaimReader
from llm_nas.claims import Claim
from llm_nas.conditions import AllOf, Bound, Condition, Count, Is, Quantity
from llm_nas.ports import NicheView, SearchSpace

SHOWN = ("a", "b")


def claim(**changes: Any) -> dict[str, Any]:
    fields = {
        "because": "it is  slow",
        "all_of": [{"kind": "is", "choice": "pool", "value": "MAX"}],
        "objective": "latency",
        "direction": "raises",
        "size": 0.2,
        "scope": SCOPES[1],
    }
    return fields | changes


def read(space: SearchSpace, view: NicheView, item: object) -> Claim:
    return ClaimReader(open_lexicon(space), "m").read(view, item, SHOWN)


def test_a_claim_is_read(space: SearchSpace, view: NicheView) -> None:
    made = read(space, view, claim())
    assert made.statement == "pool = max raises latency by 0.2 ms (pixel3)"
    assert (made.wording, made.origin.source, made.origin.generation) == ("it is slow", "m", 1)
    assert made.origin.archs == SHOWN


@pytest.mark.parametrize(
    ("atom", "condition"),
    [
        ({"kind": "is", "choice": "k1", "value": "5"}, Is(choice="k1", values=(5,))),
        (
            {"kind": "bound", "choice": "width", "relation": "le", "value": 32},
            Bound(choice="width", relation="le", value=32),
        ),
        (
            {"kind": "count", "group": "kernels", "value": 7, "relation": "ge", "count": 2},
            Count(group="kernels", values=(7,), relation="ge", count=2),
        ),
        (
            {"kind": "quantity", "name": "macs_m", "relation": "lt", "value": 250},
            Quantity(name="macs_m", high=250.0),
        ),
    ],
)
def test_every_kind_of_condition(
    space: SearchSpace, view: NicheView, atom: dict[str, Any], condition: Condition
) -> None:
    assert read(space, view, claim(all_of=[atom])).condition == condition
    both = read(space, view, claim(all_of=[atom, *claim()["all_of"]])).condition
    assert both == AllOf(parts=(condition, Is(choice="pool", values=("max",))))


@pytest.mark.parametrize(
    ("objective", "scope", "tasks", "devices", "niches"),
    [
        ("latency", "this niche", (), ("pixel3",), ("N",)),
        ("latency", SCOPES[1], (), ("pixel3",), ()),
        ("accuracy", SCOPES[1], ("digits",), (), ()),
        ("accuracy", "everywhere", (), (), ()),
    ],
)
def test_scopes(
    space: SearchSpace,
    view: NicheView,
    objective: str,
    scope: str,
    tasks: tuple[str, ...],
    devices: tuple[str, ...],
    niches: tuple[str, ...],
) -> None:
    made = read(space, view, claim(objective=objective, scope=scope)).scope
    assert (made.space, made.tasks, made.devices, made.niches) == ("toy", tasks, devices, niches)


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
        (claim(all_of=[{"kind": "magic"}]), "kind 'magic', expected one of is, bound"),
        (claim(all_of=[{"kind": "is", "choice": "conv"}]), "choice 'conv' is unknown"),
        (claim(all_of=[{"kind": "is", "choice": "k1", "value": 4}]), "k1 is one of 3, 5, 7"),
        (
            claim(all_of=[{"kind": "bound", "choice": "pool", "value": "max"}]),
            "pool has no order",
        ),
        (claim(all_of=[{"kind": "count", "group": "pools"}]), "expected one of kernels"),
        (
            claim(all_of=[{"kind": "count", "group": "kernels", "value": 9}]),
            "no choice of kernels has that value",
        ),
        (
            claim(all_of=[{"kind": "quantity", "name": "macs_m", "relation": "eq"}]),
            "is ge or lt",
        ),
        (claim(all_of=[{"kind": "quantity", "name": "draw"}]), "expected one of macs_m"),
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
