"""A small space, a task with a formula for its accuracies, and proxies with gaps."""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.choices import Choice
from llm_nas.domain import ACCURACY, Arch, Failure, FloatArray, Label, Metric
from llm_nas.tools.accuracy.features import Features
from llm_nas.tools.niches import ConditionPartition, open_partition
from llm_nas.tools.spaces import Space

KERNELS = tuple(f"k{i}" for i in range(1, 6))
SPACE = Space(
    "toy",
    [Choice(name, (1, 2, 3, 4, 5), ordered=True) for name in KERNELS],
    quantities={"macs_m": lambda values: float(sum(int(values[k]) for k in KERNELS))},
)
NICHES: ConditionPartition = open_partition(None, SPACE)


def pool(size: int = 1500) -> tuple[Arch, ...]:
    rng = np.random.default_rng(0)
    drawn = dict[Arch, None]()
    while len(drawn) < size:
        drawn[SPACE.sample(rng)] = None
    return tuple(drawn)


def kernels(archs: Sequence[Arch]) -> FloatArray:
    return np.array([[float(SPACE.values(a)[k]) for k in KERNELS] for a in archs])


def accuracies(archs: Sequence[Arch]) -> FloatArray:
    """Between 30 and 90 %, saturating, with an interaction."""
    k = kernels(archs)
    return np.asarray(90 - 60 * np.exp(-(k.sum(axis=1) + 0.5 * k[:, 0] * k[:, 4]) / 8))


class ToyTask:
    """Looks accuracies up; some architectures may fail."""

    name, chance, source = "toy", 10.0, "a formula"

    def __init__(self, metric: Metric = ACCURACY, failing: frozenset[Arch] = frozenset()) -> None:
        self.metric = metric
        self.failing = failing
        self.trained: list[Arch] = []

    def train(self, arch: Arch, fidelity: float, seed: int) -> Label | Failure:
        self.trained.append(arch)
        if arch in self.failing:
            return Failure(arch=arch, stage="train", reason="diverged", trainings=1.0)
        error = 100 - float(accuracies([arch])[0])
        return Label(
            arch=arch, value=self.metric.value(error / (30 if self.metric.logarithmic else 1))
        )


class ToyProxies:
    """Two numbers that go with accuracy; the second is missing where the first kernel is 1."""

    names: tuple[str, ...] = ("sum", "first")
    missing: Mapping[str, int] = {"first": 300}
    lent: Mapping[str, str] = {"sum": "another task"}

    def values(self, archs: Sequence[Arch]) -> FloatArray:
        k = kernels(archs)
        return np.column_stack([k.sum(axis=1), np.where(k[:, 0] == 1, np.nan, k[:, 0])])


def features(structure: bool = True, proxies: bool = True) -> Features:
    return Features(SPACE, pool(), ToyProxies() if proxies else None, structure=structure)
