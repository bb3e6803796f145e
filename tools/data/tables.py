"""The published tables as a `Benchmark`: three `.npz` files, read lazily and checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from llm_nas.domain import DATASETS, DEVICES, PROXIES, FloatArray, IntArray
from llm_nas.errors import DataError, RequestError
from llm_nas.ports import Truth
from llm_nas.tools.data import cost
from llm_nas.tools.data.npz import Shape, TableFile, sha256_of
from llm_nas.tools.space import nas_bench_201

SIZE = 15_625
METRICS = (
    "edgegpu_latency",
    "edgegpu_energy",
    "raspi4_latency",
    "edgetpu_latency",
    "pixel3_latency",
    "eyeriss_latency",
    "eyeriss_energy",
    "eyeriss_arithmetic_intensity",
    "fpga_latency",
    "fpga_energy",
)
"""Column order of HW-NAS-Bench v1.0 for this space; latency in ms, energy in mJ."""

ENERGY_DEVICES = ("edgegpu", "eyeriss", "fpga")
NOT_AVAILABLE = -1.0
"""HW-NAS-Bench's mark for 'not available on this device'."""
OVERFLOW = -1e7
"""NAS-Bench-Suite-Zero writes -1e8 for a proxy that overflowed; nothing real is this low."""

ACCURACY_FILE = "nb201_accuracy.npz"
HARDWARE_FILE = "nb201_hwnasbench.npz"
ZEROCOST_FILE = "nb201_zerocost.npz"
_CELLS = (SIZE, 6)
REQUIRED: Mapping[str, Mapping[str, Shape]] = {
    ACCURACY_FILE: {"ops": _CELLS, "test_acc": (SIZE, 3)},
    HARDWARE_FILE: {"values": (3, SIZE, len(METRICS)), "metrics": (len(METRICS),)},
    ZEROCOST_FILE: {"values": (3, SIZE, len(PROXIES)), "proxies": (len(PROXIES),)},
}
"""File name -> array -> shape: what a table directory must hold."""
LABELS = "valid_acc_avg"
"""Validation accuracies, `(15625, 3)`; absent from tables converted from public files."""


class Labels(Protocol):
    """Where validation accuracies come from when the tables have none."""

    @property
    def source(self) -> str:
        """Named in the benchmark's own source."""
        ...

    @property
    def digest(self) -> str:
        """Part of the benchmark's own digest."""
        ...

    def validation_accuracy_pct(self, dataset: str) -> FloatArray:
        """`(size,)`, in %."""
        ...


@dataclass(frozen=True, slots=True)
class TableTruth:
    """Test accuracies of one dataset behind a call; implements `llm_nas.ports.Truth`."""

    load: Callable[[], FloatArray]

    def test_accuracy_pct(self) -> FloatArray:
        """`(size,)`, in %, mean over training seeds."""
        return self.load()


def dataset_position(dataset: str) -> int:
    """Index of a dataset in `DATASETS`; `RequestError` for an unknown one."""
    if dataset not in DATASETS:
        raise RequestError(f"dataset: unknown '{dataset}'; use one of {', '.join(DATASETS)}")
    return DATASETS.index(dataset)


def check_device(device: str, allowed: tuple[str, ...] = DEVICES) -> None:
    """`RequestError` when `device` is not one of `allowed`."""
    if device not in allowed:
        raise RequestError(f"device: unknown '{device}'; use one of {', '.join(allowed)}")


def read_only(values: FloatArray) -> FloatArray:
    """The same array, protected against writes because callers share it."""
    values.flags.writeable = False
    return values


def missing_files(folder: Path) -> list[str]:
    """Names of required files that a directory lacks."""
    return [name for name in REQUIRED if not (folder / name).is_file()]


class TableBenchmark:
    """The published values, NaN where there is none; implements `llm_nas.ports.Benchmark`."""

    def __init__(self, folder: Path, labels: Labels | None = None) -> None:
        """Open a directory of tables.

        Args:
            folder: holds the files of `REQUIRED`.
            labels: supplies validation accuracies when the tables have none, as is the case for
                those converted from public files; without it such tables are refused.

        Raises:
            DataError: a file is missing, damaged, of another shape or in another cell order.
        """
        absent = missing_files(folder)
        if absent:
            raise DataError(f"{folder}: lacks {', '.join(absent)}; see llm-nas data status")
        self._folder = folder
        self._files = {name: TableFile(folder / name, spec) for name, spec in REQUIRED.items()}
        self._labels = None if LABELS in self._files[ACCURACY_FILE].names else labels
        if self._labels is None:
            TableFile(folder / ACCURACY_FILE, {LABELS: (SIZE, 3)})
        self._check_order()

    def _check_order(self) -> None:
        if not np.array_equal(self._read(ACCURACY_FILE, "ops"), self.codes):
            raise DataError(f"{self._folder / ACCURACY_FILE}: rows are not in benchmark order")
        for name, array, expected in (
            (HARDWARE_FILE, "metrics", METRICS),
            (ZEROCOST_FILE, "proxies", PROXIES),
        ):
            if tuple(str(v) for v in self._read(name, array)) != expected:
                raise DataError(f"{self._folder / name}: '{array}' are not {', '.join(expected)}")

    def _read(self, file: str, array: str) -> FloatArray:
        return self._files[file].read(array)

    @property
    def source(self) -> str:
        """`tables (<directory name>)`, and whose labels are used when they are not its own."""
        own = f"tables ({self._folder.name})"
        return own if self._labels is None else f"{own}, validation labels: {self._labels.source}"

    @property
    def digest(self) -> str:
        """SHA-256 over the hashes of the files, in the order of `REQUIRED`."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        parts = [sha256_of(self._folder / name) for name in REQUIRED]
        parts += [] if self._labels is None else [self._labels.digest]
        return sha256("".join(parts).encode()).hexdigest()

    @cached_property
    def codes(self) -> IntArray:
        """Operation codes of all cells, `(size, 6)`."""
        return nas_bench_201().codes()

    @cached_property
    def _hardware(self) -> FloatArray:
        values = self._read(HARDWARE_FILE, "values").astype(np.float64)
        values[values == NOT_AVAILABLE] = np.nan
        if (values < 0).any() or np.isinf(values).any():
            path = self._folder / HARDWARE_FILE
            raise DataError(f"{path}: negative or infinite values; fetch or copy the file again")
        return values

    @cached_property
    def _zerocost(self) -> FloatArray:
        values = self._read(ZEROCOST_FILE, "values").astype(np.float64)
        values[~np.isfinite(values) | (values < OVERFLOW)] = np.nan
        return values

    def _accuracy(self, array: str, dataset: str) -> FloatArray:
        position = dataset_position(dataset)
        values = self._read(ACCURACY_FILE, array).astype(np.float64)[:, position]
        if not ((values >= 0) & (values <= 100)).all():
            path = self._folder / ACCURACY_FILE
            raise DataError(f"{path}: '{array}' holds values outside 0..100 %")
        return read_only(values)

    def devices(self) -> tuple[str, ...]:
        """The six devices of HW-NAS-Bench."""
        return DEVICES

    def _metric(self, dataset: str, metric: str) -> FloatArray:
        values = self._hardware[dataset_position(dataset), :, METRICS.index(metric)]
        return read_only(values.copy())

    def latency_ms(self, dataset: str, device: str) -> FloatArray:
        """`(size,)`, batch 1; NaN where the device has no value (edgetpu)."""
        check_device(device)
        return self._metric(dataset, f"{device}_latency")

    def energy_mj(self, dataset: str, device: str) -> FloatArray:
        """`(size,)`; only edgegpu, eyeriss and fpga have energies."""
        check_device(device, ENERGY_DEVICES)
        return self._metric(dataset, f"{device}_energy")

    def proxies(self, dataset: str) -> FloatArray:
        """`(size, 13)` as published: NaN for non-canonical cells, failures, most of cifar100."""
        return read_only(self._zerocost[dataset_position(dataset)].copy())

    def validation_accuracy_pct(self, dataset: str) -> FloatArray:
        """`(size,)`: mean over training seeds, in %."""
        if self._labels is not None:
            return self._labels.validation_accuracy_pct(dataset)
        return self._accuracy(LABELS, dataset)

    def params_m(self, dataset: str) -> FloatArray:
        """`(size,)`: trainable parameters in M, in closed form."""
        dataset_position(dataset)
        return cost.params_m(self.codes, dataset)

    def flops_m(self, dataset: str) -> FloatArray:
        """`(size,)`: multiply-adds in M in NAS-Bench-201's convention, in closed form."""
        dataset_position(dataset)
        return cost.flops_m(self.codes, dataset)

    def truth(self, dataset: str) -> Truth:
        """Test accuracies after 200 epochs; opened by the evaluation only."""
        dataset_position(dataset)
        return TableTruth(lambda: self._accuracy("test_acc", dataset))
