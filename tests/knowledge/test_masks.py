"""Masks and pair weights against the slow definitions."""

from collections.abc import Callable

import numpy as np
import pytest

from llm_nas.claims import (
    AllOf,
    AnyOf,
    Claim,
    Condition,
    DeadEdges,
    Not,
    OpAt,
    OpCount,
    OpOnPath,
    matches,
)
from llm_nas.domain import BoolArray, FloatArray
from llm_nas.knowledge.masks import SpaceTable
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import NasBench201

CONDITIONS: list[Condition] = [
    OpAt(edge="1>4", op="avg_pool_3x3"),
    OpAt(edge="9>9", op="avg_pool_3x3"),
    OpCount(op="none", relation="le", count=1),
    OpCount(op="unknown", relation="ge", count=1),
    OpOnPath(op="nor_conv_1x1"),
    DeadEdges(relation="eq", count=2),
    Not(part=OpOnPath(op="skip_connect")),
    AllOf(parts=(OpAt(edge="1>2", op="none"), OpOnPath(op="nor_conv_3x3"))),
    AnyOf(parts=(DeadEdges(relation="ge", count=3), OpAt(edge="3>4", op="none"))),
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_masks_agree_with_matches(space: NasBench201, condition: Condition) -> None:
    mask = SpaceTable(space).mask(condition)
    for index in np.random.default_rng(0).choice(space.size, 200, replace=False):
        assert mask[index] == matches(condition, space.facts(space.cell(int(index))))


def test_true_effect_is_the_mean_over_pairs(
    space: NasBench201, truths: tuple[FloatArray, FloatArray]
) -> None:
    table = SpaceTable(space)
    condition = AllOf(parts=(OpAt(edge="1>2", op="none"), OpOnPath(op="nor_conv_3x3")))
    mask = table.mask(condition)
    inside: BoolArray = np.zeros(len(space.codes()), dtype=np.bool_)
    inside[np.random.default_rng(0).choice(len(inside), 800, replace=False)] = True
    usable = inside & table.connected
    gains: list[float] = []
    for index in np.flatnonzero(mask & usable):
        for cell in space.neighbours(space.cell(int(index))):
            other = space.index(cell)
            if usable[other] and not mask[other]:
                gains.append(float(truths[1][index] - truths[1][other]))
    assert gains
    effect = table.true_effect(condition, inside, truths[1])
    assert effect == pytest.approx(np.mean(gains))


def test_claims_that_say_the_same_meet(
    store: HeuristicStore, claim: Callable[..., Claim], lesson: Callable[..., Lesson]
) -> None:
    one = claim(OpCount(op="none", relation="ge", count=1), direction="lowers")
    same = claim(Not(part=OpCount(op="none", relation="eq", count=0)), direction="lowers")
    store.learn(lesson(one, same))
    assert len(store.list()) == 1
    assert store.show(same.key).id == one.key
    assert "duplicate" in {event.kind for event in store.history(one.key)}


def test_a_claim_true_here_and_false_there_is_split(
    store: HeuristicStore, claim: Callable[..., Claim], lesson: Callable[..., Lesson]
) -> None:
    broad = claim()
    store.learn(lesson(broad, cells=80))
    away = lesson(run="away", cells=80, device="fpga")
    turned = tuple(m.model_copy(update={"latency_ms": 20 - m.latency_ms}) for m in away.measured)
    store.learn(Lesson(away.run, 0, away.dataset, away.device, away.space, (), turned))
    assert store.show(broad.key).status == "contested"
    here = store.show(claim(datasets=("cifar10",), devices=("edgegpu",)).key)
    there = store.show(claim(direction="lowers", datasets=("cifar10",), devices=("fpga",)).key)
    assert here.status == there.status == "supported"
    assert there.id in here.conflicts
    assert here.id in there.conflicts
    known = {h.id: h.status for h in store.list()}
    store.rebuild()
    assert {h.id: h.status for h in store.list()} == known
