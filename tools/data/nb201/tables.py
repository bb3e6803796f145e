"""The published tables of NAS-Bench-201: three `.npz` files, read lazily and checked."""

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.data.nb201.cells import DATASETS, DEVICES, SIZE
from llm_nas.tools.data.npz import Shape, TableFile, sha256_of
from llm_nas.tools.proxies.names import PROXIES

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
"""Column order of HW-NAS-Bench v1.0 for this space; latencies, in ms, are what is read."""

NOT_AVAILABLE = -1.0
"""HW-NAS-Bench's mark for 'not available on this device'."""
OVERFLOW = -1e7
"""NAS-Bench-Suite-Zero writes -1e8 for a proxy that overflowed; nothing real is this low."""

ACCURACY_FILE = "nb201_accuracy.npz"
HARDWARE_FILE = "nb201_hwnasbench.npz"
ZEROCOST_FILE = "nb201_zerocost.npz"
_CELLS = cells.codes().shape
REQUIRED: Mapping[str, Mapping[str, Shape]] = {
    ACCURACY_FILE: {"ops": _CELLS, "test_acc": (SIZE, 3)},
    HARDWARE_FILE: {"values": (3, SIZE, len(METRICS)), "metrics": (len(METRICS),)},
    ZEROCOST_FILE: {"values": (3, SIZE, len(PROXIES)), "proxies": (len(PROXIES),)},
}
"""File name -> array -> shape: what a table directory must hold."""
ONE_SEED, AVERAGED = "valid_acc_naslib", "valid_acc_avg"
"""Validation accuracies of one training and means over seeds, `(15625, 3)`; both may be absent."""


def dataset_position(dataset: str) -> int:
    """Index of a data set in `DATASETS`; `RequestError` for an unknown one."""
    if dataset not in DATASETS:
        raise RequestError(f"task: unknown '{dataset}'; use one of {', '.join(DATASETS)}")
    return DATASETS.index(dataset)


def check_device(device: str) -> None:
    """`RequestError` for an unknown device."""
    if device not in DEVICES:
        raise RequestError(f"device: unknown '{device}'; use one of {', '.join(DEVICES)}")


def missing_files(folder: Path) -> list[str]:
    """Names of required files that a directory lacks."""
    return [name for name in REQUIRED if not (folder / name).is_file()]


class PublishedTables:
    """The published values by row, NaN where there is none."""

    def __init__(self, folder: Path) -> None:
        """Open a directory of tables.

        Raises:
            DataError: A file is missing, damaged, of another shape or in another cell order.
        """
        absent = missing_files(folder)
        if absent:
            raise DataError(f"{folder}: lacks {', '.join(absent)}; see llm-nas data status")
        self.folder = folder
        self._files = {name: TableFile(folder / name, spec) for name, spec in REQUIRED.items()}
        self._check_order()

    def _check_order(self) -> None:
        if not np.array_equal(self._read(ACCURACY_FILE, "ops"), cells.codes()):
            raise DataError(f"{self.folder / ACCURACY_FILE}: rows are not in benchmark order")
        for name, array, expected in (
            (HARDWARE_FILE, "metrics", METRICS),
            (ZEROCOST_FILE, "proxies", PROXIES),
        ):
            if tuple(str(v) for v in self._read(name, array)) != expected:
                raise DataError(f"{self.folder / name}: '{array}' are not {', '.join(expected)}")

    def _read(self, file: str, array: str) -> FloatArray:
        return self._files[file].read(array)

    @property
    def source(self) -> str:
        """`tables (<directory name>)`."""
        return f"tables ({self.folder.name})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the hashes of the files, in the order of `REQUIRED`."""
        parts = [sha256_of(self.folder / name) for name in REQUIRED]
        return sha256("".join(parts).encode()).hexdigest()

    @cached_property
    def _hardware(self) -> FloatArray:
        values = self._read(HARDWARE_FILE, "values").astype(np.float64)
        values[values == NOT_AVAILABLE] = np.nan
        if (values < 0).any() or np.isinf(values).any():
            path = self.folder / HARDWARE_FILE
            raise DataError(f"{path}: negative or infinite values; fetch or copy the file again")
        return values

    @cached_property
    def _zerocost(self) -> FloatArray:
        values = self._read(ZEROCOST_FILE, "values").astype(np.float64)
        values[~np.isfinite(values) | (values < OVERFLOW)] = np.nan
        return values

    def latency_ms(self, dataset: str, device: str) -> FloatArray:
        """`(15625,)`, batch 1; NaN where the device has no value (edgetpu)."""
        check_device(device)
        column = METRICS.index(f"{device}_latency")
        return self._hardware[dataset_position(dataset), :, column].copy()

    def proxies(self, dataset: str) -> FloatArray:
        """`(15625, 13)` as published: NaN for non-canonical cells and most of cifar100."""
        values: FloatArray = self._zerocost[dataset_position(dataset)].copy()
        return values

    def validation_pct(self, dataset: str, kind: str = ONE_SEED) -> FloatArray | None:
        """`(15625,)` accuracies of `ONE_SEED` or `AVERAGED`; None where they are not published."""
        if kind not in self._files[ACCURACY_FILE].names:
            return None
        values = accuracies(self._files[ACCURACY_FILE], kind, dataset)
        return values if np.isfinite(values).all() else None


def accuracies(file: TableFile, array: str, dataset: str) -> FloatArray:
    """One data set's column of an array `(15625, 3)` of accuracies.

    Raises:
        DataError: The array is absent, of another shape, or holds values outside 0..100 %.
    """
    table = file.read(array).astype(np.float64)
    if table.shape != (SIZE, len(DATASETS)):
        raise DataError(f"{file.path}: array '{array}' has shape {table.shape}")
    values = table[:, dataset_position(dataset)]
    if ((values < 0) | (values > 100)).any():
        raise DataError(f"{file.path}: '{array}' holds values outside 0..100 %")
    return values
