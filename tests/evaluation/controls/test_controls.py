"""What every control must do, and what each is for, on a small space with a known truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from llm_nas.domain import Arch, Failure, Label
from llm_nas.errors import BudgetError, RequestError
from llm_nas.evaluation.controls import CONTROLS, Control, Door, Point, Problem, make_control, run
from llm_nas.evaluation.controls.optuna_samplers import OptunaTpe
from llm_nas.evaluation.controls.regularized_evolution import scalarised
from llm_nas.evaluation.score import score
from llm_nas.tools.spaces import Pool
from llm_nas.tools.spaces.space import Space
from tests.evaluation.conftest import COST, Place, SmallTruth, make_place, work

QUICK = tuple(name for name in CONTROLS if not name.endswith("gp"))
GP = tuple(name for name in CONTROLS if name.endswith("gp"))


class Listed(Space):
    """The small space, able to list its members."""

    def __init__(self, truth: SmallTruth) -> None:
        super().__init__("small", truth.space.choices, size_of=lambda v: work(v, COST))
        self._archs = truth.archs

    def __len__(self) -> int:
        return len(self._archs)

    def __iter__(self) -> Iterator[Arch]:
        return iter(self._archs)


def spend(
    place: Place, name: str, budget: int, seed: int = 0, *, broken: bool = False
) -> list[Arch]:
    door = place.door(budget, broken=broken)
    run(make_control(name, place.problem, seed), place.problem, door)
    return [row.arch for row in door.rows]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in GP)])
def test_a_control_spends_its_budget_on_new_members_that_can_run(
    truth: SmallTruth, name: str
) -> None:
    place = make_place(truth, holes=True)
    budget = 16 if name in GP else 40
    asked = spend(place, name, budget, broken=True)
    assert len(asked) == len(set(asked)) == budget
    assert not any("op1=pool" in arch for arch in asked)
    assert all(truth.space.parse(arch) == arch for arch in asked)


@pytest.mark.parametrize("name", QUICK)
def test_the_seed_decides_everything(truth: SmallTruth, name: str) -> None:
    first, again, other = (spend(make_place(truth), name, 24, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["random", "local-search", "nsga2", "regularized-evolution"])
def test_a_used_up_space_ends_the_search(truth: SmallTruth, name: str) -> None:
    """Asking on would train something twice; 342 members and not one more."""

    place = make_place(truth)
    place.problem.space = Listed(truth)
    asked = spend(place, name, 400)
    assert len(asked) == len(set(asked)) == len(truth.archs)


@pytest.mark.parametrize("name", ["niche-random", "niche-nsga2"])
def test_niches_get_equal_shares(truth: SmallTruth, name: str) -> None:
    place = make_place(truth)
    niches = [place.problem.partition.niche_of(arch) for arch in spend(place, name, 30)]
    assert abs(niches.count("small") - niches.count("large")) <= 2


def test_searches_that_learn_beat_random(truth: SmallTruth) -> None:
    def mean(name: str) -> float:
        figures: list[float] = []
        for seed in range(4):
            place = make_place(truth)
            door = place.door(60)
            run(make_control(name, place.problem, seed), place.problem, door)
            figures.append(score(door.rows, truth).hv)
        return float(np.mean(figures))

    random = mean("random")
    assert mean("nsga2") > random
    assert mean("local-search") > random
    assert mean("zc-nsga2") > random


@pytest.mark.parametrize(
    "name", ["zc-nsga2", pytest.param("zc-optuna-gp", marks=pytest.mark.slow)]
)
def test_opened_controls_start_from_the_opening(truth: SmallTruth, name: str) -> None:
    place = make_place(truth)
    expected = place.problem.opening(12, np.random.default_rng(0))
    assert spend(place, name, 14)[:12] == list(expected)


def test_optuna_stays_inside_a_pool_and_learns_from_what_stood_in(truth: SmallTruth) -> None:
    """A suggestion that is no row is trained as the nearest new row."""
    rows = truth.archs[::7]
    place = make_place(truth)
    place.problem.space = Pool(truth.space, rows)
    asked = spend(place, "optuna-tpe", 30)
    assert len(set(asked)) == 30
    assert set(asked) <= set(rows)


def test_optuna_asks_for_active_choices_only(truth: SmallTruth) -> None:
    place = make_place(truth)
    control = OptunaTpe(place.problem, 0)
    run(control, place.problem, place.door(20))
    trials = control._study.trials  # pyright: ignore[reportPrivateUsage]
    assert all(("w2" in t.params) == (t.params["depth"] == 1) for t in trials)


def test_the_door_counts_and_nothing_else_gives_labels(place: Place) -> None:
    door = place.door(2)
    archs = place.truth.archs
    door.train(archs[0])
    assert door.remaining == 1
    door.train(archs[1])
    with pytest.raises(BudgetError, match="2 trainings"):
        door.train(archs[2])
    reachable = {name for name in vars(place.problem) if "truth" in name or "train" in name}
    assert not reachable


def test_free_failures_are_charged_so_that_a_search_ends(place: Place) -> None:
    def train(arch: Arch) -> Label | Failure:
        return Failure(arch=arch, stage="build", reason="no")

    door = Door(train, place.problem.latency_ms, place.metric, 3)
    run(make_control("random", place.problem, 0), place.problem, door)
    assert len(door.rows) == 3


def test_a_search_of_ones_own_needs_no_edit_of_the_package(place: Place) -> None:
    @dataclass
    class Fixed:
        left: list[Arch]

        def ask(self) -> Arch | None:
            return self.left.pop() if self.left else None

        def tell(self, arch: Arch, point: Point | None) -> None:
            del arch, point

    mine: Control = Fixed(place.truth.archs[:3])
    problem: Problem = place.problem
    door = place.door(10)
    run(mine, problem, door)
    assert len(door.rows) == 3


def test_unknown_controls_are_refused(place: Place) -> None:
    with pytest.raises(RequestError, match="expected one of random"):
        make_control("grid", place.problem, 0)


def test_chebyshev_weights_choose_the_ends() -> None:
    points = np.array([[0.0, 1.0], [1.0, 0.0], [0.4, 0.4]])
    assert [int(np.argmin(scalarised(points, w))) for w in (0.95, 0.05, 0.5)] == [0, 1, 2]
