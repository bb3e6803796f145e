"""Each control does what its textbook says, checked from outside on the cells it asks about."""

from collections import Counter, deque
from collections.abc import Callable

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.evaluation.controls.control import Session, niche_masks, spread_over_niches
from llm_nas.evaluation.controls.local_search import ParetoLocalSearch
from llm_nas.evaluation.controls.nsga2 import NicheNsga2, _Island  # pyright: ignore[reportPrivateUsage]
from llm_nas.evaluation.controls.random_search import NicheRandomSearch, RandomSearch
from llm_nas.evaluation.controls.regularized_evolution import RegularizedEvolution, scalarised
from llm_nas.evaluation.indicators import objectives
from llm_nas.ports import Evaluator, SearchSpace
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201

Make = Callable[[int], tuple[Evaluator, list[int]]]
SPACE: SearchSpace = nas_bench_201()
SIZE = len(SPACE.codes())
PARTITION = make_partition(SPACE)


def distance(space: SearchSpace, a: int, b: int) -> int:
    return sum(x != y for x, y in zip(space.cell(a), space.cell(b), strict=True))


def points_of(evaluator: Evaluator, cells: list[int]) -> FloatArray:
    asked = list(cells)  # the recorded list grows with every question
    return objectives(evaluator.accuracy_pct(asked), evaluator.latency_ms()[asked])


def dominates(a: list[float], b: list[float]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def test_random_is_uniform_over_the_space(evaluator_of: Make) -> None:
    drawn: list[int] = []
    known = np.isfinite(evaluator_of(1)[0].latency_ms())
    for seed in range(30):
        evaluator, asked = evaluator_of(100)
        RandomSearch().run(evaluator, PARTITION, seed)
        drawn += asked
    expected = np.bincount(PARTITION.labels()[known]) / known.sum()
    seen = np.bincount(PARTITION.labels()[drawn], minlength=6) / len(drawn)
    assert seen == pytest.approx(expected, abs=4 * np.sqrt(0.25 / len(drawn)))


def test_niche_random_gives_every_niche_its_share(evaluator_of: Make) -> None:
    evaluator, asked = evaluator_of(120)
    NicheRandomSearch().run(evaluator, PARTITION, 0)
    assert Counter(PARTITION.labels()[asked].tolist()) == dict.fromkeys(range(6), 20)


def test_niches_that_run_out_leave_their_share_to_others(evaluator_of: Make) -> None:
    session = Session(evaluator_of(900)[0])
    dealt = spread_over_niches(session, niche_masks(PARTITION), np.random.default_rng(0), 1800)
    counts = np.bincount(PARTITION.labels()[dealt])
    known = np.bincount(PARTITION.labels()[session.open])
    assert counts[5] == known[5] < 300
    assert counts.sum() == 1800
    assert np.ptp(counts[:5]) <= 1


def test_nsga2_survivors_follow_rank_and_crowding(evaluator_of: Make) -> None:
    """Slow twin: fill by fronts; the last front drops its least crowded members first."""
    evaluator, _ = evaluator_of(60)
    session = Session(evaluator)
    island = _Island(session, SPACE, np.ones(SIZE, dtype=np.bool_), 20, seed=2)
    island.step()
    before = island.survivors.tolist()
    assert sorted(before) == sorted(session.cells)
    island.step()
    pool = before + session.cells[20:]
    points = points_of(evaluator, pool)
    kept = {pool.index(c) for c in island.survivors.tolist()}
    room = 20
    for front in slow_fronts(points):
        members = set(front)
        if len(members) <= room:
            assert members <= kept
            room -= len(members)
            continue
        distances = slow_crowding(points[front])
        worst_kept = min(d for i, d in zip(front, distances, strict=True) if i in kept)
        best_lost = max(d for i, d in zip(front, distances, strict=True) if i not in kept)
        assert worst_kept >= best_lost
        break


def slow_fronts(points: FloatArray) -> list[list[int]]:
    """Peel off the non-dominated members until none is left."""
    rows, fronts = points.tolist(), list[list[int]]()
    left = list(range(len(rows)))
    while left:
        best = [i for i in left if not any(dominates(rows[j], rows[i]) for j in left)]
        fronts.append(best)
        left = [i for i in left if i not in best]
    return fronts


def slow_crowding(points: FloatArray) -> list[float]:
    """Crowding distance as in Deb et al. 2002, section III-B."""
    total = [0.0] * len(points)
    for axis in points.T:
        order = np.argsort(axis, kind="stable").tolist()
        span = axis[order[-1]] - axis[order[0]] or 1.0
        total[order[0]] = total[order[-1]] = np.inf
        for left, middle, right in zip(order, order[1:], order[2:], strict=False):
            total[middle] += (axis[right] - axis[left]) / span
    return total


def test_nsga2_children_recombine_and_mutate_parents(evaluator_of: Make) -> None:
    """Most edges of a child come from the population it was bred from."""
    evaluator, _ = evaluator_of(200)
    session = Session(evaluator)
    island = _Island(session, SPACE, np.ones(SIZE, dtype=np.bool_), 10, seed=3)
    island.step()
    changed: list[int] = []
    for _ in range(8):
        parents = island.survivors.tolist()
        island.step()
        for child in session.cells[-10:]:
            pairs = [(a, b) for a in parents for b in parents]
            changed.append(min(unexplained(child, a, b) for a, b in pairs))
    # Each edge mutates with probability 1/6, so about one change a child.
    assert np.mean(changed) < 1.2
    assert max(changed) <= 4


def unexplained(child: int, a: int, b: int) -> int:
    cells = (SPACE.cell(child), SPACE.cell(a), SPACE.cell(b))
    return sum(c not in (x, y) for c, x, y in zip(*cells, strict=True))


def test_niche_nsga2_shares_the_budget(evaluator_of: Make) -> None:
    evaluator, asked = evaluator_of(120)
    NicheNsga2(population=5).run(evaluator, PARTITION, 0)
    assert Counter(PARTITION.labels()[asked].tolist()) == dict.fromkeys(range(6), 20)


def test_regularized_evolution_mutates_living_members(evaluator_of: Make) -> None:
    """Every child is one edge away from one of the youngest members: the oldest are dead."""
    evaluator, asked = evaluator_of(150)
    RegularizedEvolution(population=20, tournament=5).run(evaluator, PARTITION, 1)
    queue = deque(asked[:20], maxlen=20)
    for child in asked[20:]:
        assert min(distance(SPACE, child, parent) for parent in queue) == 1
        queue.append(child)


def test_tournament_winner_by_weight() -> None:
    points = np.array([[0.0, 10.0], [5.0, 5.0], [10.0, 0.0]])
    assert [int(np.argmin(scalarised(points, w))) for w in (1.0, 0.5, 0.0)] == [0, 1, 2]
    assert scalarised(points, 1.0) == pytest.approx([0.0, 0.525, 1.05])


def test_local_search_explores_neighbours_of_its_archive(evaluator_of: Make) -> None:
    evaluator, asked = evaluator_of(90)
    ParetoLocalSearch(start=12, step=1).run(evaluator, PARTITION, 2)
    for position in range(12, 90):
        seen = asked[:position]
        rows = points_of(evaluator, seen).tolist()
        archive = [
            c for c, p in zip(seen, rows, strict=True) if not any(dominates(q, p) for q in rows)
        ]
        assert min(distance(SPACE, asked[position], member) for member in archive) == 1


def test_local_search_ends_in_a_pareto_local_optimum(evaluator_of: Make) -> None:
    """With budget to spare it restarts, so its archive has no unseen neighbour before that."""
    evaluator, asked = evaluator_of(1500)
    ParetoLocalSearch(start=6, step=24).run(evaluator, PARTITION, 0)
    rows = points_of(evaluator, asked)
    best = int(np.lexsort((rows[:, 1], rows[:, 0]))[0])
    known = np.isfinite(evaluator.latency_ms())
    best_cell = SPACE.cell(asked[best])
    near = [SPACE.index(c) for c in SPACE.neighbours(best_cell)]
    assert {n for n in near if known[n]} <= set(asked)
