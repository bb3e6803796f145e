"""Tasks that look trainings up: tables of trained networks, and truth models with noise."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.domain import ACCURACY, Arch, Failure, FloatArray, Label, Metric
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.data.csv_table import read_accuracies
from llm_nas.tools.data.tabulated import task_table, values_lookup


@dataclass(frozen=True, slots=True)
class TableTask:
    """A task whose trainings are looked up; implements `llm_nas.ports.Task`."""

    name: str
    metric: Metric
    chance: float | None
    """The metric of a network that has learned nothing; None when unknown."""
    source: str
    lookup: Callable[[Sequence[Arch]], FloatArray]
    """`(n,)` values in the metric's unit, NaN where there is none."""
    archs: tuple[Arch, ...] | None = None
    """The architectures that have a label; None: the whole space."""
    noise: float = 0.0
    """Standard deviation between trainings of one network, in the unit of `Metric.error`."""

    def train(self, arch: Arch, fidelity: float = 1.0, seed: int = 0) -> Label | Failure:
        """The label of one training; any fidelity gives, and costs, a whole one.

        Where values are modelled, noise of the published size is drawn from `seed` and the text.
        """
        if not 0 < fidelity <= 1:
            raise RequestError(f"fidelity {fidelity}: expected more than 0, at most 1")
        value = float(self.lookup([arch])[0])
        if not np.isfinite(value):
            return Failure(arch=arch, stage="train", reason=f"{self.name}: the table has no label")
        if self.noise > 0:
            value = self.metric.value(self.metric.error(value) + self.noise * _normal(arch, seed))
        return Label(arch=arch, value=value)


def _normal(arch: Arch, seed: int) -> float:
    """A standard normal number that depends on the architecture and the seed only."""
    digest = hashlib.sha256(f"{seed}:{arch}".encode()).digest()
    return float(np.random.default_rng(list(digest)).standard_normal())


def tabulated(name: str, space: str, data_dir: Path | None = None) -> TableTask | None:
    """A tabulated task by name; None when the space has no table of it."""
    table = task_table(space, name, data_dir)
    if table is None:
        return None
    return TableTask(
        name=name,
        metric=table.metric,
        chance=table.chance,
        source=table.source,
        lookup=table.lookup,
        archs=table.archs,
        noise=table.noise,
    )


def from_csv(path: Path, space: SearchSpace) -> TableTask:
    """The task of a user's table `arch,accuracy_pct[,test_accuracy_pct]`; tests stay unread.

    Raises:
        DataError: See `llm_nas.tools.data.csv_table.read_accuracies`.
    """
    table = read_accuracies(path, space)
    archs, lookup = values_lookup(table.values)
    return TableTask(path.stem, ACCURACY, None, table.source, lookup, archs)
