"""Spaces of conditional choices: texts, sizes, moves and features against slow twins."""

import math
import time
from itertools import product

import numpy as np
import pytest

from llm_nas.choices import Choice
from llm_nas.conditions import AllOf, Bound, Condition, Count, Is, Quantity, matches
from llm_nas.errors import RequestError
from llm_nas.ports import Buildable
from llm_nas.tools.niches import ConditionPartition, open_partition
from llm_nas.tools.spaces import NicheMoves, Space, open_space

DEEP = Bound(choice="depth", relation="ge", value=2)
TINY = Space(
    "tiny",
    [
        Choice("depth", (1, 2), ordered=True),
        Choice("k1", (3, 5, 7), ordered=True),
        Choice("k2", (3, 5, 7), ordered=True, active_when=DEEP),
        Choice("op", ("conv", "pool", "skip")),
        Choice("rate", (0.25, 0.5), ordered=True, active_when=Is(choice="op", values=("conv",))),
    ],
    quantities={"area": lambda v: sum(float(x) ** 2 for n, x in v.items() if n[0] == "k")},
)


def members() -> set[str]:
    """All of `TINY`, written by hand."""
    texts: set[str] = set()
    for depth, k1, k2, op, rate in product(
        (1, 2), *[(3, 5, 7)] * 2, ("conv", "pool", "skip"), (0.25, 0.5)
    ):
        second = f" k2={k2}" if depth == 2 else ""
        tail = f" rate={rate}" if op == "conv" else ""
        texts.add(f"depth={depth} k1={k1}{second} op={op}{tail}")
    return texts


def test_samples_reach_exactly_the_members() -> None:
    rng = np.random.default_rng(0)
    assert {TINY.sample(rng) for _ in range(3000)} == members()


def test_the_size_counts_choices_that_are_left_out_once() -> None:
    assert round(10**TINY.log10_size) == len(members()) == 48


def test_sizes_are_told_without_listing() -> None:
    assert 10 ** open_space("anb").log10_size == pytest.approx(36**6 * 48, rel=1e-9)
    by_depth = (6 * 9.0**layers for layers in (10, 11, 12))
    assert 10 ** open_space("hwgpt-s").log10_size == pytest.approx(sum(by_depth), rel=1e-9)
    assert open_space("fbnet").log10_size == pytest.approx(22 * math.log10(9))
    assert open_space("mobile").log10_size > 9


def test_neighbours_are_all_members_one_choice_away() -> None:
    for arch in sorted(members()):
        values = TINY.values(arch)
        near = set(TINY.neighbours(arch))
        for other in members() - {arch}:
            held = TINY.values(other)
            shared = [n for n in values if n in held]
            changed = [n for n in shared if values[n] != held[n]]
            woken = [n for n in held if n not in values]
            if len(changed) == 1 and not woken:
                assert other in near
            if other in near:
                assert len(changed) == 1


def test_what_wakes_up_takes_the_value_of_its_elder() -> None:
    assert "depth=2 k1=7 k2=7 op=skip" in set(TINY.neighbours("depth=1 k1=7 op=skip"))


def test_odd_spellings_mean_the_same() -> None:
    arch = "depth=2 k1=3 k2=5 op=conv rate=0.5"
    for text in (
        "k2 = 5, k1=3 ; op=conv rate=.5 depth=2.0",
        "depth=2\nk1=3\nk2=5\nop=conv\nrate=0.50",
    ):
        assert TINY.parse(text) == arch
    assert TINY.parse("depth=1 k1=3 k2=5 op=pool rate=0.5") == "depth=1 k1=3 op=pool"
    assert (
        open_space("anb")
        .parse(" ".join(f"e{i}=1 k{i}=3 l{i}=1 se{i}=true" for i in range(1, 8)))
        .endswith("se7=1")
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("depth=3 k1=3 op=pool", "expected 1 or 2"),
        ("depth=1 k1=3", "op is missing; conv, pool or skip"),
        ("depth=1 k1=3 op=pool k3=3", "no choice 'k3'; there are k[12], k[12], depth"),
        ("depth=1 k1=3 op=pool depth=2", "depth is given twice"),
        ("depth=1 k1=3 pool", "'pool' is not NAME=VALUE"),
        ("depth=1 k1=3 k2=4 op=pool", "expected 3, 5 or 7"),
    ],
)
def test_errors_say_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        TINY.parse(text)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ([], "no choices"),
        ([Choice("a b", (1,))], "without spaces"),
        ([Choice("a", (1, 1))], "must differ"),
        ([Choice("a", (1, 2)), Choice("a", (1,))], "two choices"),
        ([Choice("a", (2, 1), ordered=True)], "increasing"),
        ([Choice("a", ("x y",))], "has a space"),
        ([Choice("a", (1, 2), active_when=Is(choice="b", values=(1,)))], "no earlier choice"),
        ([Choice("a", (1,)), Choice("b", (1,), False, Is(choice="a", values=(2,)))], "cannot be"),
        ([Choice("a", (1,), active_when=Quantity(name="q"))], "quantity"),
    ],
)
def test_impossible_spaces_are_refused(choices: list[Choice], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Space("wrong", choices)


def test_quantities_must_be_finite_and_named_once() -> None:
    broken = Space("broken", [Choice("a", (1, 2))], quantities={"q": lambda _: math.nan})
    with pytest.raises(RequestError, match="q of 'a=1' is not a finite number"):
        broken.facts("a=1")
    with pytest.raises(RequestError, match="'draw' is taken"):
        Space("broken", [Choice("a", (1, 2))], quantities={"draw": lambda _: 0.0})


def test_features_of_a_known_member() -> None:
    space = Space("flat", [Choice("a", (1, 2, 4), True), Choice("b", ("x", "y", "z"))])
    features = space.features(["a=4 b=x", "a=2 b=z"])
    scale = (2 / 3) ** -0.5
    np.testing.assert_allclose(features[0], [scale, scale * 2 / 3, -scale / 3, -scale / 3])
    assert features[1][0] == 0
    assert space.feature_names == ("a", "b=x", "b=y", "b=z")


def test_a_choice_left_out_is_neutral_and_flagged() -> None:
    columns = dict(
        zip(TINY.feature_names, TINY.features(["depth=1 k1=7 op=pool"])[0], strict=True)
    )
    assert columns["k2"] == columns["rate"] == 0
    assert columns["k2 active"] == columns["rate active"] == -1


@pytest.mark.parametrize(
    "within",
    [
        Quantity(name="macs_m", low=300.0, high=300.3),
        Quantity(name="params_m", high=1.9),
        AllOf(
            parts=(
                Count(group="se", values=(1,), relation="eq", count=7),
                Quantity(name="macs_m", low=500.0, high=505.0),
                Bound(choice="l1", relation="le", value=1),
            )
        ),
    ],
)
def test_parts_too_small_for_rejection_are_found(within: Condition) -> None:
    space = open_space("anb")
    rng = np.random.default_rng(1)
    for _ in range(3):
        assert matches(within, space.facts(space.sample(rng, within)))


def test_a_pool_of_three_thousand_is_read_and_described_fast() -> None:
    rng = np.random.default_rng(2)
    drawn = open_space("anb")
    archs = [drawn.sample(rng) for _ in range(3000)]
    space = open_space("anb")
    space.features(archs[:1])
    start = time.process_time()
    space.features(archs)
    space.quantities(archs)
    assert time.process_time() - start < 0.6  # 0.13 s where nothing else runs


def test_only_spaces_with_a_way_to_build_are_buildable() -> None:
    assert not isinstance(TINY, Buildable)
    assert isinstance(open_space("fbnet"), Buildable)


def test_moves_stay_inside_the_niche_and_are_new() -> None:
    space = open_space("anb")
    partition = open_partition(None, space)
    moves, rng = NicheMoves(space, partition), np.random.default_rng(0)
    for wanted in partition.niches:
        first, second = moves.sample(wanted.id, rng), moves.sample(wanted.id, rng)
        child = moves.cross(wanted.id, first, second, rng)
        near = moves.mutate(wanted.id, first, rng)
        assert {partition.niche_of(a) for a in (first, second, child, near)} == {wanted.id}
        assert child not in (first, second)
        assert near in moves.mutations(wanted.id, first)


def test_a_niche_of_one_network_has_no_other() -> None:
    space = Space("pair", [Choice("a", (1, 2)), Choice("b", (1, 2))])
    partition = open_partition("count:a=2", Space("pair", space.choices, groups={"a": ["a", "b"]}))
    moves = NicheMoves(space, ConditionPartition("p", space, partition.niches))
    with pytest.raises(RequestError, match="found no"):
        moves.mutate("N2", "a=2 b=2", np.random.default_rng(0))


def test_unknown_spaces_are_refused_with_the_known_ones() -> None:
    with pytest.raises(RequestError, match="expected mobile, nb201, anb"):
        open_space("nasbench")
