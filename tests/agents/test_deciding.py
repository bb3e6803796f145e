"""Cells that would decide a heuristic, and children spent on them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from llm_nas.agents.blind import open_lexicon
from llm_nas.agents.deciding import DecidingDesigner, deciders
from llm_nas.agents.prompt_facts import heuristics_sections
from llm_nas.claims import (
    Claim,
    Condition,
    Effect,
    Evidence,
    Heuristic,
    OpAt,
    Origin,
    Scope,
    Status,
    matches,
)
from llm_nas.domain import Proposal
from llm_nas.ports import Moves, NicheView, Partition, SearchSpace
from llm_nas.tools.moves import NicheMoves


def _heuristic(condition: Condition, status: Status = "proposed") -> Heuristic:
    claim = Claim(
        condition=condition,
        effect=Effect(objective="latency", direction="raises"),
        scope=Scope(),
        origin=Origin(source="test"),
    )
    return Heuristic(id=claim.key, claim=claim, status=status, evidence=Evidence())


GUESSES = tuple(_heuristic(OpAt(edge=edge, op="avg_pool_3x3")) for edge in ("1>2", "1>3", "3>4"))


@pytest.fixture(scope="module")
def moves(space: SearchSpace, partition: Partition) -> Moves:
    return NicheMoves(space, partition)


def _edges_apart(moves: Moves, first: str, second: str) -> int:
    one, two = moves.facts(first).op_at, moves.facts(second).op_at
    return sum(one[edge] != two[edge] for edge in one)


def test_a_decider_makes_a_matched_pair(
    moves: Moves, view: NicheView, partition: Partition, space: SearchSpace
) -> None:
    by_id = {h.id: h for h in GUESSES}
    measured = {moves.twin(m.arch) for m in view.measured}
    found = deciders(moves, view, GUESSES)
    assert found
    for decider in found:
        assert _edges_apart(moves, decider.arch, decider.parent) == 1
        assert decider.parent in {m.arch for m in view.archive}
        assert moves.twin(decider.arch) not in measured
        assert partition.niche_of(space.parse(decider.arch)) == view.niche.id
        for key in decider.heuristics:
            condition = by_id[key].claim.condition
            assert matches(condition, moves.facts(decider.arch)) != matches(
                condition, moves.facts(decider.parent)
            )


def test_what_is_supported_needs_no_deciding(moves: Moves, view: NicheView) -> None:
    known = [h.model_copy(update={"status": "supported"}) for h in GUESSES]
    assert deciders(moves, view, known) == ()


class _Fixed:
    source = "fixed"

    def __init__(self) -> None:
        self.slots = 0

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        del heuristics, rng
        self.slots = view.slots
        return tuple(
            Proposal(arch=f"cell{n}", operator="mutation", source=self.source)
            for n in range(view.slots)
        )


@pytest.mark.parametrize(("slots", "spent"), [(4, 1), (1, 0)])
def test_some_children_decide_and_one_is_always_left(
    moves: Moves, view: NicheView, slots: int, spent: int
) -> None:
    ready = replace(view, slots=slots, deciders=deciders(moves, view, GUESSES))
    inner = _Fixed()
    made = DecidingDesigner(inner).propose(ready, GUESSES, np.random.default_rng(0))
    assert len(made) == slots
    assert inner.slots == slots - spent
    assert [p.arch for p in made[inner.slots :]] == [d.arch for d in ready.deciders[:spent]]


def test_guesses_never_stand_among_facts(
    moves: Moves, view: NicheView, space: SearchSpace
) -> None:
    fact = _heuristic(OpAt(edge="2>4", op="none"), "supported")
    doubted = _heuristic(OpAt(edge="2>3", op="none"), "contested")
    shown = (GUESSES[0], fact, doubted)
    found = deciders(moves, view, shown)
    known, guesses, cells = heuristics_sections(open_lexicon(space), shown, found)
    assert [line.partition(":")[0] for line in known.lines] == ["H2"]
    assert [line.partition(":")[0] for line in guesses.lines] == ["H1", "H3"]
    assert "not facts" in guesses.heading
    assert len(cells.lines) == len(found) > 0
    assert all(line.endswith("decides H1") for line in cells.lines)
