"""A small conditional space with a known truth, for tests of figures and controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from llm_nas.choices import Choice
from llm_nas.conditions import Bound, Quantity, Value
from llm_nas.domain import ACCURACY, Arch, Failure, FloatArray, Label, Metric, Niche
from llm_nas.evaluation.controls import Door, Problem
from llm_nas.evaluation.indicators import non_dominated_mask
from llm_nas.tools.spaces.space import Space

WIDTHS = (8, 16, 24, 32, 48, 64)
DEEP = Bound(choice="depth", relation="ge", value=2)
CHOICES = [
    Choice("depth", (1, 2), ordered=True),
    Choice("w1", WIDTHS, ordered=True),
    Choice("op1", ("conv", "pool", "skip")),
    Choice("w2", WIDTHS, ordered=True, active_when=DEEP),
    Choice("op2", ("conv", "pool", "skip"), active_when=DEEP),
]
COST = {"conv": 1.0, "pool": 0.6, "skip": 0.2}
GOOD = {"conv": 1.0, "pool": 0.35, "skip": 0.25}


def work(values: Mapping[str, Value], worth: dict[str, float]) -> float:
    stages = range(1, int(values["depth"]) + 1)
    return sum(float(values[f"w{i}"]) * worth[str(values[f"op{i}"])] for i in stages)


@dataclass(frozen=True)
class Front:
    latency_ms: FloatArray
    error: FloatArray
    digest: str = ""
    origin: str = ""


class SmallTruth:
    """Error falls with good work, latency rises with cost; 342 members."""

    metric = ACCURACY
    chance_error = 90.0

    def __init__(self) -> None:
        self.space = Space("small", CHOICES, size_of=lambda v: work(v, COST))
        firsts = product(WIDTHS, COST)
        shallow: list[dict[str, Value]] = [{"depth": 1, "w1": w, "op1": o} for w, o in firsts]
        deep: list[dict[str, Value]] = [
            one | {"depth": 2, "w2": w, "op2": op}
            for one in shallow
            for w, op in product(WIDTHS, COST)
        ]
        self.archs = [self.space.arch(v) for v in (*shallow, *deep)]
        points = np.column_stack((self.errors(self.archs), self.latencies_ms(self.archs)))
        best = points[non_dominated_mask(points)]
        self.reference = Front(best[:, 1], best[:, 0])

    def errors(self, archs: Sequence[Arch]) -> FloatArray:
        good = [work(self.space.values(a), GOOD) for a in archs]
        return np.array([40.0 * np.exp(-g / 40.0) + 5.0 for g in good])

    def latencies_ms(self, archs: Sequence[Arch]) -> FloatArray:
        return np.array([0.1 + work(self.space.values(a), COST) / 50 for a in archs])


class Sizes:
    """Two niches by size."""

    name = "sizes"

    def __init__(self, space: Space) -> None:
        self._space = space
        small, large = Quantity(name="size", high=40.0), Quantity(name="size", low=40.0)
        self.niches = (
            Niche(id="small", rule="below 40", condition=small),
            Niche(id="large", rule="of at least 40", condition=large),
        )

    def niche_of(self, arch: Arch) -> str:
        return "small" if self._space.facts(arch).quantities["size"] < 40 else "large"

    def constraint(self, niche: str) -> Quantity:
        return (
            Quantity(name="size", high=40.0)
            if niche == "small"
            else Quantity(name="size", low=40.0)
        )


@dataclass
class Place:
    """A context as the harness opens it: what controls see, their door, and truth apart."""

    truth: SmallTruth
    problem: Problem
    metric: Metric = ACCURACY

    def door(self, budget: int, noise: float = 0.0, broken: bool = False) -> Door:
        rng = np.random.default_rng(7)

        def train(arch: Arch) -> Label | Failure:
            if broken and "skip" in arch:
                return Failure(arch=arch, stage="train", reason="diverged", trainings=1.0)
            error = float(self.truth.errors([arch])[0]) + float(rng.normal(0.0, noise))
            return Label(arch=arch, value=self.metric.value(error))

        return Door(train, self.problem.latency_ms, self.metric, budget)


def make_place(truth: SmallTruth, *, holes: bool = False) -> Place:
    def latencies(archs: Sequence[Arch]) -> FloatArray:
        known = truth.latencies_ms(archs)
        lost = ["op1=pool" in arch for arch in archs]
        return np.where(lost, np.nan, known) if holes else known

    def opening(count: int, rng: np.random.Generator) -> list[Arch]:
        spread = np.argsort(truth.latencies_ms(truth.archs))
        return [truth.archs[i] for i in spread[:: len(spread) // count][:count]]

    return Place(truth, Problem(truth.space, Sizes(truth.space), latencies, opening))


@pytest.fixture(scope="session")
def truth() -> SmallTruth:
    return SmallTruth()


@pytest.fixture
def place(truth: SmallTruth) -> Place:
    return make_place(truth)
