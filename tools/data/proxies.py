"""Tabulated zero-cost proxies by space and task, completed from twins and from another task."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, BoolArray, FloatArray
from llm_nas.tools.data.nb201 import DATASETS, SPACE_NAME, Nb201Tables, cells, nb201_tables
from llm_nas.tools.proxies.names import PROXIES

DONORS: Mapping[str, str] = {
    "cifar10": "ImageNet16-120",
    "cifar100": "cifar10",
    "ImageNet16-120": "cifar10",
}
"""Where a task borrows the proxies nobody has published for it (docs/notebook/predictor.md)."""


class TaskProxies:
    """Implements `llm_nas.tools.accuracy.features.ProxyValues`.

    An architecture without a value takes that of its canonical twin: the operations that differ
    reach no output, so it is a measurement of the same network, not a guess. A proxy that no
    architecture of a task has is another task's: measured before training, what it says on one
    set of images ranks networks on another almost as well.
    """

    names: tuple[str, ...] = PROXIES

    def __init__(self, tables: Nb201Tables, task: str) -> None:
        own = _with_twins(tables, task)
        absent = np.isnan(own).sum(axis=0)
        self.missing = {name: int(n) for name, n in zip(PROXIES, absent, strict=True) if n}
        lent = _with_twins(tables, DONORS[task])
        taken = np.asarray(_unknown(own) & ~_unknown(lent), dtype=np.bool_)
        self.lent = {
            name: DONORS[task] for name, yes in zip(PROXIES, taken.tolist(), strict=True) if yes
        }
        self._values = np.where(taken, lent, own)

    def values(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n, 13)`, NaN where there is none."""
        return self._values[cells.rows(archs)]


def tabulated_proxies(
    space_name: str, task_name: str, data_dir: Path | None = None
) -> TaskProxies | None:
    """The proxies of a task's networks; None where there is no table of them."""
    if space_name != SPACE_NAME or task_name not in DATASETS:
        return None
    return TaskProxies(nb201_tables(data_dir), task_name)


def _with_twins(tables: Nb201Tables, task: str) -> FloatArray:
    """`(15625, 13)` of all cells, a missing value taken from the twin."""
    published = tables.proxies(task, tables.archs)
    return np.where(np.isnan(published), published[cells.canonical_rows()], published)


def _unknown(proxies: FloatArray) -> BoolArray:
    return np.asarray(np.isnan(proxies).all(axis=0), dtype=np.bool_)
