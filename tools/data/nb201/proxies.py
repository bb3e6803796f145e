"""The 13 zero-cost proxies of a task, completed from twins and from another task."""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.domain import Arch, BoolArray, FloatArray
from llm_nas.tools.data.nb201.by_text import Nb201Tables
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
        self._row = {arch: row for row, arch in enumerate(tables.archs)}

    def values(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n, 13)`, NaN where there is none."""
        return self._values[np.array([self._row[arch] for arch in archs], dtype=np.int64)]


def _with_twins(tables: Nb201Tables, task: str) -> FloatArray:
    """`(15625, 13)` of all cells, a missing value taken from the twin."""
    published = tables.proxies(task, tables.archs)
    of_twins = tables.proxies(task, tables.twins(tables.archs))
    return np.where(np.isnan(published), of_twins, published)


def _unknown(proxies: FloatArray) -> BoolArray:
    return np.asarray(np.isnan(proxies).all(axis=0), dtype=np.bool_)
