"""Turns the pinned public CSV files into the tables the project reads."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data.nb201 import cells, cost
from llm_nas.tools.data.nb201.cells import DATASETS, SIZE
from llm_nas.tools.data.nb201.tables import (
    ACCURACY_FILE,
    HARDWARE_FILE,
    METRICS,
    ZEROCOST_FILE,
)
from llm_nas.tools.data.npz import write_atomically
from llm_nas.tools.proxies.names import PROXIES

_HARDWARE_CSV = {dataset: f"hw_{dataset}.csv" for dataset in DATASETS}
_PROXY_CSV = {
    "cifar10": "nb201_zc_proxies.csv",
    "ImageNet16-120": "nb201_ImageNet16-120_zc_proxies.csv",
}
_ACCURACY_CSV = "nats_bench.csv"
_ACCURACY_COLUMNS = (
    "CIFAR10TestAccuracy200Epochs",
    "CIFAR100TestAccuracy200Epochs",
    "ImageNetTestAccuracy200Epochs",
)


def convert(source: Path, target: Path) -> list[Path]:
    """Write `nb201_accuracy.npz`, `nb201_hwnasbench.npz` and `nb201_zerocost.npz`.

    Validation accuracies are in none of the public files, so the accuracy table has none; of the
    proxies, non-canonical cells get `flops` and `params` (closed form) and NaN elsewhere.

    Args:
        source: directory of the downloaded CSV files.
        target: directory to write to; each file appears complete or not at all.

    Raises:
        DataError: a CSV is missing, damaged or has unknown cells, or `target` cannot be written.
    """
    codes = cells.codes().astype(np.int8)
    tables: dict[str, Mapping[str, npt.NDArray[Any]]] = {
        ACCURACY_FILE: {"ops": codes, "test_acc": _test_accuracy(source / _ACCURACY_CSV)},
        HARDWARE_FILE: {"values": _hardware(source), "metrics": np.array(METRICS)},
        ZEROCOST_FILE: {"values": _zerocost(source), "proxies": np.array(PROXIES)},
    }
    return [write_atomically(target / name, arrays) for name, arrays in tables.items()]


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a CSV that has `columns`."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            absent = [c for c in columns if c not in (reader.fieldnames or ())]
            if absent:
                raise DataError(f"{path}: lacks column {', '.join(absent)}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _numbers(path: Path, line: int, row: Mapping[str, str], columns: Sequence[str]) -> FloatArray:
    try:
        return np.array([float(row[c]) if row[c] else np.nan for c in columns])
    except (TypeError, ValueError):
        raise DataError(f"{path}, line {line}: a value is missing or not a number") from None


def _row_of_codes() -> Mapping[tuple[int, ...], int]:
    return {tuple(cell): row for row, cell in enumerate(cells.codes().tolist())}


def _codes(path: Path, line: int, text: str) -> tuple[int, ...]:
    """The cell in a tuple such as `(4, 3, 3, 0, 0, 0)`."""
    try:
        return tuple(int(code) for code in text.strip("() ").split(","))
    except ValueError:
        raise DataError(f"{path}, line {line}: '{text}' is not a tuple of six codes") from None


def _by_cell(path: Path, columns: Sequence[str]) -> FloatArray:
    """`(15625, len(columns))` in benchmark order from a CSV keyed by `net`; NaN where absent."""
    row_of, values = _row_of_codes(), np.full((SIZE, len(columns)), np.nan)
    for line, row in _rows(path, ["net", *columns]):
        cell = _codes(path, line, row["net"])
        if cell not in row_of:
            raise DataError(f"{path}, line {line}: {cell} is no cell")
        values[row_of[cell]] = _numbers(path, line, row, columns)
    return values


def _hardware(source: Path) -> FloatArray:
    tables = [_by_cell(source / _HARDWARE_CSV[dataset], METRICS) for dataset in DATASETS]
    if np.isnan(tables).any():
        raise DataError(f"{source}: hardware tables do not cover all {SIZE} cells")
    return np.stack(tables)


def _zerocost(source: Path) -> FloatArray:
    tables = np.full((len(DATASETS), SIZE, len(PROXIES)), np.nan)
    for position, dataset in enumerate(DATASETS):
        if dataset in _PROXY_CSV:
            tables[position] = _by_cell(source / _PROXY_CSV[dataset], PROXIES)
        tables[position, :, PROXIES.index("flops")] = cost.flops_m(dataset)
        tables[position, :, PROXIES.index("params")] = cost.params_m(dataset)
    return tables


def _test_accuracy(path: Path) -> FloatArray:
    values = np.full((SIZE, len(DATASETS)), np.nan)
    for line, row in _rows(path, [*_ACCURACY_COLUMNS, "ArchitectureString"]):
        try:
            (index,) = cells.rows([row["ArchitectureString"].strip()])
        except RequestError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        values[index] = _numbers(path, line, row, _ACCURACY_COLUMNS)
    if np.isnan(values).any():
        raise DataError(f"{path}: does not cover all {SIZE} cells")
    return values
