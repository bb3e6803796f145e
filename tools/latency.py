"""Latency tables: the benchmark's devices, or a user's own measurements from a CSV file."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.ports import Benchmark, SearchSpace
from llm_nas.tools.data.npz import sha256_of
from llm_nas.tools.data.tables import ENERGY_DEVICES
from llm_nas.tools.space import nas_bench_201

COLUMNS = ("arch", "latency_ms")
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
        device: one of `benchmark.devices()`, or `name=path.csv` with columns
            `arch,latency_ms`. A CSV need not cover all cells.
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
    """`(space.size,)` latencies in ms, NaN for cells the file does not list.

    Raises:
        DataError: see `open_latency`.
    """
    values = np.full(space.size, np.nan)
    line_of: dict[int, int] = {}
    for line, arch, latency in _rows(path):
        where = f"{path}, line {line}"
        try:
            index = space.index(space.parse(arch))
        except RequestError as error:
            raise DataError(f"{where}: {error}") from error
        if index in line_of:
            raise DataError(f"{where}: the cell of line {line_of[index]} again")
        line_of[index] = line
        values[index] = _latency(where, latency)
    if not line_of:
        raise DataError(f"{path}: no rows below the header")
    return values


def _latency(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{where}: latency_ms '{text}' is not a number") from None
    if not math.isfinite(value) or value <= 0:
        raise DataError(f"{where}: latency_ms is {text}; expected a positive, finite number")
    return value


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, architecture string and latency text of every row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            absent = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if absent:
                raise DataError(
                    f"{path}: lacks column {', '.join(absent)}; expected arch,latency_ms"
                )
            for row in reader:
                yield reader.line_num, row["arch"] or "", row["latency_ms"] or ""
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot be read ({reason})") from error
