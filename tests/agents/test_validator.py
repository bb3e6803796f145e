"""Candidates are accepted, put right within bounds, or rejected with a reason."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_nas.agents.validator import MOST_EDITS, SpaceValidator, missed, nearest_legal
from llm_nas.conditions import AllOf, AnyOf, Bound, Condition, Count, Not, Quantity, matches
from llm_nas.domain import Candidate, Verdict
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space

WHOLE = "k1=3 k2=3 k3=3 e1=1 e2=1 e3=1 pool=max stride=2 width=16"


def one(
    space: SearchSpace,
    partition: Partition,
    arch: str,
    niche: str = "M",
    taken: Mapping[str, str] | None = None,
) -> Verdict:
    candidate = Candidate(arch=arch, niche=niche, origin="m")
    return SpaceValidator(space, partition).check(niche, [candidate], taken or {})[0]


def test_what_is_legal_and_new_is_accepted(space: SearchSpace, partition: Partition) -> None:
    verdict = one(space, partition, WHOLE)
    assert (verdict.decision, verdict.kind, verdict.arch) == ("accepted", "ok", space.parse(WHOLE))


@pytest.mark.parametrize(
    ("written", "legal"),
    [
        (WHOLE.replace("k1=3", "k1=4"), WHOLE),
        (WHOLE.replace("width=16", "width=100"), WHOLE.replace("width=16", "width=64")),
        (WHOLE.replace("pool=max", "POOL=MAX"), WHOLE),
        (WHOLE.replace("=", ": "), WHOLE),
        (WHOLE.replace("k1=3 ", ""), WHOLE.replace("k1=3", "k1=5")),
        (WHOLE.replace(" stride=2", ""), WHOLE.replace("stride=2", "stride=3")),
    ],
)
def test_what_is_nearly_right_is_put_right(
    space: SearchSpace, partition: Partition, written: str, legal: str
) -> None:
    verdict = one(space, partition, written)
    assert (verdict.decision, verdict.kind) == ("repaired", "repaired")
    assert verdict.arch == space.parse(legal)


@pytest.mark.parametrize(
    "written",
    ["nonsense", "", "k1=3", WHOLE.replace("pool=max", "pool=median"), "k1 " * 5_000, "=" * 99],
)
def test_what_is_far_from_legal_is_rejected(
    space: SearchSpace, partition: Partition, written: str
) -> None:
    verdict = one(space, partition, written)
    assert (verdict.decision, verdict.kind, verdict.arch) == ("rejected", "illegal", None)
    assert verdict.reason


def test_repair_can_be_switched_off(space: SearchSpace, partition: Partition) -> None:
    strict = SpaceValidator(space, partition, repair=False)
    written = [WHOLE.replace("k1=3", "k1=4"), WHOLE]
    illegal = strict.check("M", [Candidate(arch=a, niche="M", origin="m") for a in written], {})
    assert [v.kind for v in illegal] == ["illegal", "ok"]
    outside = strict.check("W", [Candidate(arch=WHOLE, niche="W", origin="m")], {})
    assert [v.kind for v in outside] == ["out_of_niche"]


def test_inactive_choices_are_stripped(space: SearchSpace, partition: Partition) -> None:
    written = WHOLE.replace("pool=max", "pool=none")
    verdict = one(space, partition, written, "N")
    assert verdict.arch is not None
    assert "stride" not in space.values(verdict.arch)


def test_a_network_just_outside_its_niche_is_brought_inside(
    space: SearchSpace, partition: Partition, by_size: Partition
) -> None:
    verdict = one(space, partition, WHOLE, "W")
    assert verdict.kind == "repaired"
    assert verdict.arch is not None
    assert partition.niche_of(verdict.arch) == "W"
    large = one(space, by_size, WHOLE.replace("width=16", "width=48"), "L")
    assert large.arch is not None
    assert by_size.niche_of(large.arch) == "L"


def test_only_a_few_choices_are_changed() -> None:
    """Seven kernels of 5 take more edits than are allowed."""
    anb = open_space("anb")
    wanted = Count(group="k", values=(5,), relation="ge", count=7)

    class One:
        name, niches = "one", ()

        def niche_of(self, arch: str) -> str:
            return "other"

        def constraint(self, niche: str) -> Count:
            return wanted

    small = anb.arch({c.name: c.values[0] for c in anb.choices})
    verdict = SpaceValidator(anb, One()).check(
        "five", [Candidate(arch=small, niche="five", origin="m")], {}
    )[0]
    assert (verdict.kind, verdict.reason) == ("out_of_niche", "lies in other, not in five")
    assert MOST_EDITS < 7


def test_twins_are_told_apart_by_what_came_of_them(
    space: SearchSpace, partition: Partition
) -> None:
    twin = space.twin(space.parse(WHOLE))
    assert one(space, partition, WHOLE, taken={twin: "trained in generation 0"}).kind == "measured"
    failed = one(space, partition, WHOLE, taken={twin: "failed to build: too large"})
    assert (failed.kind, failed.reason) == ("failed_before", "failed to build: too large")
    both = [Candidate(arch=WHOLE, niche="M", origin=o) for o in "ab"]
    verdicts = SpaceValidator(space, partition).check("M", both, {})
    assert [v.kind for v in verdicts] == ["ok", "duplicate"]


def test_cells_that_spell_the_same_network_are_twins() -> None:
    nb201 = open_space("nb201")
    niches = open_partition(None, nb201)
    cut = "|nor_conv_3x3~0|+|none~0|{}~1|+|skip_connect~0|none~1|none~2|"
    both = [
        Candidate(arch=cut.format(op), niche="S0", origin="m") for op in ("none", "skip_connect")
    ]
    place = niches.niche_of(nb201.parse(both[0].arch))
    verdicts = SpaceValidator(nb201, niches).check(place, both, {})
    assert [v.kind for v in verdicts] == ["ok", "duplicate"]


def test_a_device_may_refuse(space: SearchSpace, partition: Partition) -> None:
    validator = SpaceValidator(space, partition, unsupported=lambda arch: "no kernels of 3 there")
    verdict = validator.check("M", [Candidate(arch=WHOLE, niche="M", origin="m")], {})[0]
    assert (verdict.kind, verdict.reason) == ("unsupported", "no kernels of 3 there")


def test_missed_is_zero_exactly_where_a_condition_is_met(space: SearchSpace) -> None:
    count = Count(group="kernels", values=(7,), relation="eq", count=2)
    size, wide = (
        Quantity(name="macs_m", low=200, high=600),
        Bound(choice="width", relation="ge", value=32),
    )
    rng = np.random.default_rng(0)
    conditions: list[Condition] = [
        count,
        size,
        wide,
        AllOf(parts=(size, wide)),
        AnyOf(parts=(count, Not(part=size))),
    ]
    for _ in range(60):
        facts = space.facts(space.sample(rng))
        for condition in conditions:
            assert (missed(condition, facts) == 0.0) == matches(condition, facts)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    space = open_space("anb")
    try:
        arch, _ = nearest_legal(space, text)
    except RequestError:
        return
    assert space.parse(arch) == arch
