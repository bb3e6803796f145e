"""Latency tables: the benchmark's devices, or a user's own measurements from a CSV file."""

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.ports import Benchmark, SearchSpace
from llm_nas.tools.data.npz import sha256_of
from llm_nas.tools.data.tables import ENERGY_DEVICES
from llm_nas.tools.space import nas_bench_201

UNITS: Mapping[str, float] = {"latency_ms": 1.0, "latency_us": 1e-3, "latency_s": 1e3}
"""Names a latency column may have, and how many ms its unit is."""
MISSING = ("", "nan", "na", "n/a", "null", "none")
"""What a cell without a measurement may hold."""
LARGEST_FILE = 64 * 2**20
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class LatencyTable:
    """Latency of every cell on one device."""

    name: str
    """Device name."""
    values_ms: FloatArray
    """`(size,)`, batch 1, NaN where unknown; read-only."""
    missing: int
    """Number of cells without a value: a search skips them."""
    source: str
    """Where the values come from."""


def open_latency(
    benchmark: Benchmark, dataset: str, device: str, space: SearchSpace | None = None
) -> LatencyTable:
    """The latency table of a device.

    Args:
        benchmark: holds the known devices.
        dataset: which network variant (image size, classes) was timed; ignored for a CSV.
        device: one of `benchmark.devices()`, or `name=path.csv` with columns `arch` and
            one of `UNITS` (docs/data.md). A CSV need not cover all cells.
        space: parses the CSV's architecture strings; NAS-Bench-201 by default.

    Raises:
        RequestError: an unknown device or dataset, or a malformed `name=path.csv`.
        DataError: a CSV that cannot be read or has a missing column, no rows, an unknown or
            repeated architecture, or a latency that is not a positive number; names the line.
    """
    name, equals, path = device.partition("=")
    if not equals:
        if device not in benchmark.devices():
            allowed = ", ".join(benchmark.devices())
            raise RequestError(
                f"device: unknown '{device}'; use one of {allowed} or NAME=FILE.csv"
            )
        return _table(device, benchmark.latency_ms(dataset, device), benchmark.source)
    if not _NAME.fullmatch(name) or not path:
        raise RequestError(
            f"device: '{device}' is not NAME=FILE.csv with a name of A-Z a-z 0-9 _.-"
        )
    if name in benchmark.devices():
        raise RequestError(f"device: '{name}' is a known device; give the CSV's another name")
    values = read_csv(Path(path), space if space is not None else nas_bench_201())
    return _table(name, values, f"{Path(path).name} (sha256 {sha256_of(Path(path))[:12]})")


def open_energy(benchmark: Benchmark, dataset: str, device: str) -> FloatArray | None:
    """`(size,)` energies in mJ, batch 1; None for a device without an energy table."""
    return benchmark.energy_mj(dataset, device) if device in ENERGY_DEVICES else None


def _table(name: str, values_ms: FloatArray, source: str) -> LatencyTable:
    values_ms.flags.writeable = False
    return LatencyTable(name, values_ms, int(np.isnan(values_ms).sum()), source)


def read_csv(path: Path, space: SearchSpace) -> FloatArray:
    """`(space.size,)` latencies in ms, NaN for cells the file does not list or leaves empty.

    Raises:
        DataError: see `open_latency`.
    """
    values = np.full(space.size, np.nan)
    line_of: dict[int, int] = {}
    for line, arch, latency_ms in _rows(path):
        where = f"{path}, line {line}"
        try:
            index = space.index(space.parse(arch))
        except RequestError as error:
            raise DataError(f"{where}: {error}") from error
        if index in line_of:
            again = f"the cell of line {line_of[index]} again"
            raise DataError(f"{where}: {again}; give every cell one row, such as its median")
        line_of[index] = line
        values[index] = latency_ms
    if not np.isfinite(values).any():
        raise DataError(f"{path}: no rows with a latency below the header")
    return values


def _rows(path: Path) -> Iterator[tuple[int, str, float]]:
    """Line number, architecture string and latency in ms (NaN: not measured) of every row."""
    _check_file(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = csv.reader(stream, delimiter=_delimiter(stream.readline()), strict=True)
            stream.seek(0)
            header = [name.strip().strip("\ufeff").lower() for name in next(lines, list[str]())]
            column, factor = _latency_column(path, header)
            arch = header.index("arch")
            for row in lines:
                if not row:
                    continue
                where = f"{path}, line {lines.line_num}"
                if len(row) != len(header):
                    raise DataError(f"{where}: {len(row)} columns, the header has {len(header)}")
                latency = _latency(where, header[column], row[column])
                yield lines.line_num, row[arch].strip(), factor * latency
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot be read ({reason})") from error


def _check_file(path: Path) -> None:
    """Refuse what is no plain file or cannot be a table of one space, before reading it."""
    if not path.is_file():
        raise DataError(f"{path}: cannot be read (no such file)")
    if path.stat().st_size > LARGEST_FILE:
        raise DataError(f"{path}: larger than {LARGEST_FILE // 2**20} MB; is it a latency table?")


def _delimiter(header: str) -> str:
    """What spreadsheets put between columns: a comma, a semicolon or a tab."""
    return max(",;\t", key=header.count)


def _latency_column(path: Path, header: Sequence[str]) -> tuple[int, float]:
    """Position of the latency column, and what turns its unit into ms."""
    found = [name for name in UNITS if name in header]
    absent = [] if "arch" in header else ["arch"]
    absent += [] if found else ["latency_ms"]
    if absent:
        units = ", ".join(UNITS)
        raise DataError(
            f"{path}: lacks column {' and '.join(absent)}; needs arch and one of {units}"
        )
    if len(found) > 1:
        raise DataError(f"{path}: has columns {' and '.join(found)}; leave one")
    return header.index(found[0]), UNITS[found[0]]


def _latency(where: str, name: str, text: str) -> float:
    if text.strip().lower() in MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        hint = " (use a decimal point)" if "," in text else ""
        raise DataError(f"{where}: {name} '{text}' is not a number{hint}") from None
    if not math.isfinite(value) or value <= 0:
        raise DataError(f"{where}: {name} is {text}; expected a positive, finite number")
    return value
