"""Devices whose latencies are looked up or computed without noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from llm_nas.domain import Arch, Failure, FloatArray, Timing
from llm_nas.tools.data.nb201 import cells, nb201_tables
from llm_nas.tools.data.truth.model import TASK_OF, truth_model
from llm_nas.tools.devices import sums

FAMILY = {"anb-rows": "anb"}
"""Pools of measured rows, by the space they are rows of."""
Lookup = Callable[[Sequence[Arch]], FloatArray]
"""`(n,)` in ms, NaN where the device has no value."""


@dataclass(frozen=True, slots=True)
class TableDevice:
    """A device with known latencies; implements `llm_nas.ports.Device`."""

    name: str
    source: str
    lookup: Lookup
    archs: tuple[Arch, ...] | None = None
    """The architectures that were measured; None: the whole space."""
    missing: str = "the table has no latency of it"
    """What it means that a value is missing."""

    @property
    def exact(self) -> Literal[True]:
        """Timings are free and without noise."""
        return True

    def latencies_ms(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)` in ms, NaN where the device has no value."""
        return self.lookup(archs) if len(archs) else np.zeros(0)

    def supports(self, arch: Arch) -> str | None:
        """Why an architecture cannot run there; None when it can."""
        known = np.isfinite(self.lookup([arch])[0])
        return None if known else f"{self.name}: {self.missing}"

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        """One answer per architecture, in order."""
        values = self.latencies_ms(archs).tolist()
        return [self._answer(arch, ms) for arch, ms in zip(archs, values, strict=True)]

    def _answer(self, arch: Arch, ms: float) -> Timing | Failure:
        if ms != ms:
            return Failure(arch=arch, stage="time", reason=f"{self.name}: {self.missing}")
        return Timing.model_construct(
            arch=arch, median_ms=ms, low_ms=ms, high_ms=ms, n=1, seconds=0.0, notes=()
        )


def names(space: str) -> tuple[str, ...]:
    """Tabulated devices of a space by its name; none for a space of the user's own."""
    if space == "nb201":
        return cells.DEVICES
    if space == "fbnet":
        return sums.DEVICES
    family = FAMILY.get(space, space)
    return truth_model(family).devices if family in TASK_OF else ()


def tabulated(name: str, space: str, task_name: str, data_dir: Path | None = None) -> TableDevice:
    """A device of `names(space)`."""
    if space == "nb201":
        return _nb201(name, task_name, data_dir)
    if space == "fbnet":
        return sums.open_sums(name, task_name)
    model = truth_model(FAMILY.get(space, space))
    return TableDevice(name, model.source, partial(model.values, name))


def _nb201(name: str, task_name: str, data_dir: Path | None) -> TableDevice:
    tables = nb201_tables(data_dir)
    lookup = partial(tables.latencies_ms, task_name, name)
    return TableDevice(name, tables.source, lookup)
