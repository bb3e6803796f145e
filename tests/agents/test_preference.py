"""What the Designer prefers among children."""

import numpy as np
import pytest

from llm_nas.agents.offline_designer import OfflineDesigner
from llm_nas.agents.preference import ByGraduates, ByHeuristics
from llm_nas.claims import Claim, Effect, Evidence, Heuristic, OpCount, Origin, Scope
from llm_nas.domain import Niche
from llm_nas.ports import NicheView
from llm_nas.tools.moves import NicheMoves
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
MOVES = NicheMoves(SPACE, make_partition(SPACE))
CELLS = [SPACE.format((3, 0, 0, 0, 0, 0)), SPACE.format((2, 0, 0, 0, 0, 0))]
RNG = np.random.default_rng(0)


def _weights(favoured: str, share: float) -> dict[str, dict[str, float]]:
    rest = (1.0 - share) / (len(SPACE.operations) - 1)
    return {
        edge: {op: share if op == favoured else rest for op in SPACE.operations}
        for edge in SPACE.edges
    }


def test_a_compiled_distribution_weighs_cells_by_their_probability() -> None:
    by = ByGraduates(MOVES, [_weights(SPACE.operations[3], 0.6)])
    assert by.weights(CELLS, (), RNG).tolist() == pytest.approx([1.0, 0.1 / 0.6])


def test_several_distributions_take_turns_at_random() -> None:
    first, second = (_weights(SPACE.operations[op], 0.9) for op in (3, 2))
    by = ByGraduates(MOVES, [first, second])
    best = {int(np.argmax(by.weights(CELLS, (), RNG))) for _ in range(40)}
    assert best == {0, 1}


def test_supported_heuristics_favour_what_meets_them() -> None:
    claim = Claim(
        condition=OpCount(op=SPACE.operations[3], relation="ge", count=1),
        effect=Effect(objective="accuracy", direction="raises"),
        scope=Scope(),
        origin=Origin(source="test"),
    )
    heuristic = Heuristic(id=claim.key, claim=claim, status="supported", evidence=Evidence())
    by = ByHeuristics(MOVES)
    assert by.weights(CELLS, [heuristic], RNG).tolist() == pytest.approx([np.exp(0.5), 1.0])
    unproven = heuristic.model_copy(update={"status": "proposed"})
    assert by.weights(CELLS, [unproven], RNG).tolist() == pytest.approx([1.0, 1.0])


def test_a_first_cell_is_the_preferred_one_of_the_uniform_cells_drawn() -> None:
    """Near certainty of one operation: the best of `draws` cells wins, as order statistics say."""
    favoured = "skip_connect"
    by = ByGraduates(MOVES, [_weights(favoured, 0.999)])
    view = NicheView("cifar10", "toy", Niche(id="S0", rule=""), 0, 3, 20, (), (), (), ())
    made = OfflineDesigner(MOVES, by).propose(view, (), np.random.default_rng(0))
    rng = np.random.default_rng(1)
    drawn = [
        [MOVES.sample("S0", rng).count(favoured) for _ in range(by.draws)] for _ in range(500)
    ]
    expected = np.mean([max(counts) for counts in drawn])
    error = np.std([max(counts) for counts in drawn]) / np.sqrt(len(made))
    found = np.mean([p.arch.count(favoured) for p in made])
    assert abs(found - expected) < 4.0 * error
    assert expected > np.mean(drawn) + 4.0 * error
