"""Claims about energy are tested on the cells whose energy is known."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from llm_nas.claims import Claim
from llm_nas.domain import FloatArray
from llm_nas.knowledge.masks import SpaceTable
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import NasBench201

ENERGY_PER_MS = 3.0


def test_an_energy_claim_is_supported_by_known_energies(
    store: HeuristicStore,
    claim: Callable[..., Claim],
    lesson: Callable[..., Lesson],
    space: NasBench201,
    truths: tuple[FloatArray, FloatArray],
) -> None:
    costs = claim(objective="energy", devices=("edgegpu",))
    taught = lesson(costs, cells=80)
    known = {m.arch: ENERGY_PER_MS * m.latency_ms for m in taught.measured[:60]}
    store.learn(replace(taught, energy_mj=known))
    found = store.show(costs.key)
    assert found.status == "supported"
    assert found.evidence.cells == 60
    table = SpaceTable(space)
    truth = table.true_effect(costs.condition, table.connected, ENERGY_PER_MS * truths[1])
    assert truth is not None
    assert found.evidence.low <= truth <= found.evidence.high
    store.rebuild()
    assert store.show(costs.key).evidence.mean_effect == pytest.approx(found.evidence.mean_effect)


def test_without_energies_the_claim_stays_untested(
    store: HeuristicStore, claim: Callable[..., Claim], lesson: Callable[..., Lesson]
) -> None:
    costs = claim(objective="energy")
    store.learn(lesson(costs, cells=80))
    found = store.show(costs.key)
    assert (found.status, found.evidence.method) == ("proposed", "none")
