"""Tables that people write: CSV files of architectures with a latency or an accuracy."""

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llm_nas.domain import Arch
from llm_nas.errors import DataError, RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.data.npz import sha256_of

LATENCY_UNITS: Mapping[str, float] = {"latency_ms": 1.0, "latency_us": 1e-3, "latency_s": 1e3}
"""Names a latency column may have, and how many ms its unit is."""
ACCURACY, TEST_ACCURACY = "accuracy_pct", "test_accuracy_pct"
MISSING = ("", "nan", "na", "n/a", "null", "none")
"""What a row without a measurement may hold."""
LARGEST_FILE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class CsvTable:
    """One column of numbers by canonical text; rows without a value are left out."""

    values: Mapping[Arch, float]
    source: str
    """File name and the first digits of its hash."""


def read_latencies(path: Path, space: SearchSpace) -> CsvTable:
    """Latencies in ms from the columns `arch` and one of `LATENCY_UNITS`.

    Raises:
        DataError: The file cannot be read, lacks a column, has no rows, an architecture twice or
            one that the space does not know, or a latency that is not positive; names the line.
    """
    return _read(path, space, LATENCY_UNITS, _positive)


def read_accuracies(path: Path, space: SearchSpace, column: str = ACCURACY) -> CsvTable:
    """Accuracies in % from the columns `arch` and `column`.

    Raises:
        DataError: As `read_latencies`; accuracies lie in 0..100.
    """
    return _read(path, space, {column: 1.0}, _percentage)


def has_column(path: Path, column: str) -> bool:
    """Whether a table's header names a column; `DataError` when it cannot be read."""
    header, _ = next(_lines(path))
    return column in header


def _read(
    path: Path,
    space: SearchSpace,
    units: Mapping[str, float],
    check: Callable[[float], str | None],
) -> CsvTable:
    rows = _rows(path, sha256_of(_checked(path)), tuple(units.items()))
    values: dict[Arch, float] = {}
    line_of: dict[Arch, int] = {}
    for line, text, number in rows:
        where = f"{path}, line {line}"
        try:
            arch = space.parse(text)
        except RequestError as error:
            raise DataError(f"{where}: {error}") from error
        if arch in line_of:
            again = f"the architecture of line {line_of[arch]} again"
            raise DataError(f"{where}: {again}; give each one row, such as its median")
        line_of[arch] = line
        if math.isnan(number):
            continue
        if complaint := check(number):
            raise DataError(f"{where}: {complaint}")
        values[arch] = number
    if not values:
        raise DataError(f"{path}: no rows with a value below the header")
    return CsvTable(values, f"{path.name} (sha256 {sha256_of(path)[:12]})")


def _positive(value: float) -> str | None:
    if math.isfinite(value) and value > 0:
        return None
    return f"latency is {value:g}; expected a positive, finite number"


def _percentage(value: float) -> str | None:
    return None if 0 <= value <= 100 else f"accuracy is {value:g}; expected 0 to 100 %"


@lru_cache(maxsize=8)
def _rows(
    path: Path, sha256: str, units: tuple[tuple[str, float], ...]
) -> tuple[tuple[int, str, float], ...]:
    """Line number, architecture text and value (NaN: not measured) of every row."""
    del sha256  # part of the key: a file that changed is read again
    lines = _lines(path)
    header, _ = next(lines)
    column, factor = _column(path, header, dict(units))
    found: list[tuple[int, str, float]] = []
    for row, line in lines:
        where = f"{path}, line {line}"
        if len(row) != len(header):
            raise DataError(f"{where}: {len(row)} columns, the header has {len(header)}")
        value = factor * _number(where, header[column], row[column])
        found.append((line, row[header.index("arch")].strip(), value))
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[list[str], int]]:
    """The header in lower case, then every row that is not empty, each with its line number."""
    _checked(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream, delimiter=_delimiter(stream.readline()), strict=True)
            stream.seek(0)
            header = next(rows, list[str]())
            yield [name.strip().strip("\ufeff").lower() for name in header], 1
            for row in rows:
                if row:
                    yield row, rows.line_num
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot be read ({reason})") from error


def _checked(path: Path) -> Path:
    """Refuse what is no plain file or cannot be a table of one space, before reading it."""
    if not path.is_file():
        raise DataError(f"{path}: cannot be read (no such file)")
    if path.stat().st_size > LARGEST_FILE:
        raise DataError(f"{path}: larger than {LARGEST_FILE // 2**20} MB; is it a table?")
    return path


def _delimiter(header: str) -> str:
    """What spreadsheets put between columns: a comma, a semicolon or a tab."""
    return max(",;\t", key=header.count)


def _column(path: Path, header: Sequence[str], units: Mapping[str, float]) -> tuple[int, float]:
    """Position of the value's column, and what turns its unit into the project's."""
    found = [name for name in units if name in header]
    absent = [] if "arch" in header else ["arch"]
    absent += [] if found else [next(iter(units))]
    if absent:
        needed = f"arch and {'one of ' if len(units) > 1 else ''}{', '.join(units)}"
        raise DataError(f"{path}: lacks column {' and '.join(absent)}; needs {needed}")
    if len(found) > 1:
        raise DataError(f"{path}: has columns {' and '.join(found)}; leave one")
    return header.index(found[0]), units[found[0]]


def _number(where: str, name: str, text: str) -> float:
    if text.strip().lower() in MISSING:
        return math.nan
    try:
        return float(text)
    except ValueError:
        hint = " (use a decimal point)" if "," in text else ""
        raise DataError(f"{where}: {name} '{text}' is not a number{hint}") from None
