"""Tasks that look trainings up. Noise-free truth cannot be reached through them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llm_nas.domain import ACCURACY, Arch, Failure, Label, Metric
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.data.csv_table import read_accuracies
from llm_nas.tools.data.tabulated import plain, task_table, values_lookup


@dataclass(frozen=True, slots=True)
class TableTask:
    """A task whose trainings are looked up; implements `llm_nas.ports.Task`."""

    name: str
    metric: Metric
    chance: float | None
    """The metric of a network that has learned nothing; None when unknown."""
    source: str
    trained: Callable[[Arch, int], float]
    """The metric after one training by seed; NaN where there is none."""
    archs: tuple[Arch, ...] | None = None
    """The architectures that have a label; None: the whole space."""

    def train(self, arch: Arch, fidelity: float = 1.0, seed: int = 0) -> Label | Failure:
        """The label of one training; any fidelity gives, and costs, a whole one."""
        if not 0 < fidelity <= 1:
            raise RequestError(f"fidelity {fidelity}: expected more than 0, at most 1")
        value = self.trained(arch, seed)
        if not math.isfinite(value):
            return Failure(arch=arch, stage="train", reason=f"{self.name}: the table has no label")
        return Label(arch=arch, value=value)


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
        trained=table.trained,
        archs=table.archs,
    )


def from_csv(path: Path, space: SearchSpace) -> TableTask:
    """The task of a user's table `arch,accuracy_pct[,test_accuracy_pct]`; tests stay unread.

    Raises:
        DataError: See `llm_nas.tools.data.csv_table.read_accuracies`.
    """
    table = read_accuracies(path, space)
    archs, lookup = values_lookup(table.values)
    return TableTask(path.stem, ACCURACY, None, table.source, plain(lookup), archs)
