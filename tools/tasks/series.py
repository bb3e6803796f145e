"""A CSV of time series: one row a series, its label first, then its values."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llm_nas.domain import IntArray
from llm_nas.errors import DataError
from llm_nas.tools.tasks.arrays import ranked
from llm_nas.tools.tasks.labelled import Labelled, split_test

_LEAST_LENGTH = 4


class Series:
    """Series of equal length as images of one channel and height 1, brought to 0..255.

    The least and greatest value of what is fitted on become 0 and 255; test values may lie beyond.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            DataError: when it is no such CSV, in one line.
        """
        texts, values = _read(path)
        names, labels = ranked(np.array(texts), f"{path}: label")
        self.classes = tuple(str(name) for name in names)
        self.notes = (f"{path.name}: 15 % of its {len(labels)} series kept aside",)
        kept, aside = split_test(labels)
        low, high = float(values[kept].min()), float(values[kept].max())
        scaled = (255 * (values - low) / max(high - low, 1e-9)).astype(np.float32)
        self._fit = _labelled(scaled, labels, kept)
        self._test = _labelled(scaled, labels, aside)

    def fit(self) -> tuple[Labelled, Labelled | None]:
        """The series that are not kept aside."""
        return self._fit, None

    def test(self) -> Labelled:
        """Those kept aside."""
        return self._test


def _labelled(values: npt.NDArray[np.float32], labels: IntArray, rows: IntArray) -> Labelled:
    return Labelled(values[rows][:, None, None, :], labels[rows])


def _read(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if rows and not _numbers(rows[0][1]):
        rows = rows[1:]  # names of columns
    if not rows or len(rows[0][1]) <= _LEAST_LENGTH:
        raise DataError(f"{path}: expected rows of a label and at least {_LEAST_LENGTH} values")
    length = len(rows[0][1])
    for number, row in rows:
        if len(row) != length:
            raise DataError(f"{path}, line {number}: {len(row) - 1} values, expected {length - 1}")
        if not _numbers(row):
            raise DataError(f"{path}, line {number}: a value is no finite number")
    values = np.array([[float(text) for text in row[1:]] for _, row in rows])
    return [row[0].strip() for _, row in rows], values


def _numbers(row: list[str]) -> bool:
    try:
        return bool(np.isfinite([float(text) for text in row[1:]]).all())
    except ValueError:
        return False
