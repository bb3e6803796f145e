"""Devices whose latencies are looked up or computed without noise."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from llm_nas.domain import Arch, Failure, FloatArray, Timing
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.data.csv_table import read_latencies
from llm_nas.tools.data.tabulated import device_table, values_lookup

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class TableDevice:
    """A device with known latencies; implements `llm_nas.ports.Device`."""

    name: str
    source: str
    lookup: Callable[[Sequence[Arch]], FloatArray]
    """`(n,)` in ms, NaN where the device has no value."""
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
        # Checked where tables are read; checking 3,000 timings again would take 5 ms.
        return Timing.model_construct(
            arch=arch, median_ms=ms, low_ms=ms, high_ms=ms, n=1, seconds=0.0, notes=()
        )


def tabulated(name: str, space: str, task_name: str, data_dir: Path | None = None) -> TableDevice:
    """One of `llm_nas.tools.data.tabulated.device_names`, for the images of a task."""
    table = device_table(space, name, task_name, data_dir)
    return TableDevice(name, table.source, table.lookup, table.archs, table.missing)


def from_csv(text: str, space: SearchSpace, taken: Sequence[str] = ()) -> TableDevice:
    """The device `NAME=FILE.csv`.

    Raises:
        RequestError: A malformed name, or one of `taken`.
        DataError: See `llm_nas.tools.data.csv_table.read_latencies`.
    """
    name, _, path = text.partition("=")
    if not _NAME.fullmatch(name) or not path:
        raise RequestError(f"device: '{text}' is not NAME=FILE.csv with a name of A-Z a-z 0-9 _.-")
    if name in taken:
        raise RequestError(f"device: '{name}' is a known device; give the CSV's another name")
    table = read_latencies(Path(path), space)
    archs, lookup = values_lookup(table.values)
    return TableDevice(name, table.source, lookup, archs)
