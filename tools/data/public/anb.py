"""Accel-NASBench: 5,138 trained ImageNet networks on six accelerators.

They come from a directory of tables: its JSON archive as `llm-nas data fetch` converts it, or
the same networks as `anb/anb.csv.gz`.

Source: afzalxo/Accel-NASBench, Apache-2.0. Top-1 is after a shortened training schedule;
throughputs (images a second) become ms an image, an FPGA's latency is used as it is.
"""

import csv
import gzip
import json
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import Arch
from llm_nas.errors import DataError
from llm_nas.tools.data.locate import first_that_holds
from llm_nas.tools.data.rows import Rows, load, merged

ARCHIVE = "anb_dataset_jsons.tar.gz"
SOURCE = "Accel-NASBench (afzalxo/Accel-NASBench @ 42603572, Apache-2.0)"
TASK = "imagenet"
ROWS_FILE = "anb_rows.npz"
"""What conversion writes."""
CSV_FILE = Path("anb") / "anb.csv.gz"

_STAGES = range(7)
_PARTS = ("e", "k", "l", "se")
_THROUGHPUTS = {
    "a100": "throughput_a100",
    "rtx3090": "throughput_3090",
    "tpuv2": "throughput_tpuv2",
    "tpuv3": "throughput_tpuv3",
}
_LATENCIES = {"zcu102": "latency_zcu102", "vck190": "latency_vck190"}
_LARGEST_MEMBER, _MOST_MEMBERS = 64 * 2**10, 20_000


def measured_rows(data_dir: Path | None = None) -> Rows:
    """The published networks, from the first place that holds them.

    Raises:
        DataError: No place does, or the table is damaged.
    """
    path = first_that_holds((ROWS_FILE, CSV_FILE), data_dir)
    if path is None:
        raise DataError(
            f"the measured networks of anb are not there ({CSV_FILE} or {ROWS_FILE}): "
            "run llm-nas data fetch, or name a directory of tables by --data-dir"
        )
    return _read(path)


@cache
def _read(path: Path) -> Rows:
    return load(path) if path.name == ROWS_FILE else read_csv(path)


def read_csv(path: Path) -> Rows:
    """The rows of the table `anb.csv.gz`; `DataError` when it is missing or damaged."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
            records = list(csv.DictReader(stream))
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise DataError(f"{path}: not a readable table ({error})") from error
    return _rows(path, ((f"row {n}", row) for n, row in enumerate(records, start=1)))


def read_archive(path: Path) -> Rows:
    """The rows of the published archive, read in place: nothing is extracted.

    Raises:
        DataError: It is missing, damaged, or a member is not what is expected.
    """
    return _rows(path, _records(path), _flat)


def _rows(
    path: Path,
    records: Iterable[tuple[str, Mapping[str, Any]]],
    flat: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda record: record,
) -> Rows:
    """Rows of named records, which `flat` turns into rows of the published table."""
    archs: list[Arch] = []
    found: list[list[float]] = []
    for name, record in records:
        try:
            row = flat(record)
            archs.append(_text(row))
            found.append(_values(row))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}, {name}: unexpected content ({error})") from error
    if not archs:
        raise DataError(f"{path}: holds no networks")
    table = np.array(found, dtype=np.float64)
    names = (TASK, *_THROUGHPUTS, *_LATENCIES, "macs_m", "params_m")
    return merged("anb", SOURCE, archs, dict(zip(names, table.T, strict=True)))


def convert(source: Path, target: Path) -> Path:
    """Write the rows of the archive in `source` as a table in `target`; see `read_archive`."""
    return read_archive(source / ARCHIVE).save(target / ROWS_FILE)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of every JSON file in the archive, sorted by name."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = [m for m in archive.getmembers() if m.isfile() and m.name.endswith(".json")]
            if len(members) > _MOST_MEMBERS or any(m.size > _LARGEST_MEMBER for m in members):
                raise DataError(f"{path}: larger than the published archive")
            for member in members:
                stream = archive.extractfile(member)
                if stream is not None:
                    yield member.name, json.load(stream)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise DataError(f"{path}: not a readable archive ({error})") from error


def _text(choices: Mapping[str, Any]) -> Arch:
    """`e1=4 k1=3 l1=1 se1=0 ...` from `block0_e`, ..."""
    return " ".join(
        f"{part}{stage + 1}={int(choices[f'block{stage}_{part}'])}"
        for stage in _STAGES
        for part in _PARTS
    )


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the archive, named as the columns of the table."""
    speed, size = record["platform_perf"], record["model_info"]
    flat = {**record["architecture"], "val_top1": record["metrics"]["val_top1"]}
    for column in _THROUGHPUTS.values():
        flat[column] = speed.get(column, {}).get("throughput_mean")
    for column in _LATENCIES.values():
        flat[column] = speed.get(column, {}).get("latency_mean")
    return flat | {"macs_M": size["macs"], "params_M": size["params"]}


def _values(columns: Mapping[str, Any]) -> list[float]:
    """Top-1 in %, ms an image by device, millions of MACs and parameters."""
    return [
        _number(columns["val_top1"]),
        *(1000.0 / _number(columns[name]) for name in _THROUGHPUTS.values()),
        *(_number(columns[name]) for name in (*_LATENCIES.values(), "macs_M", "params_M")),
    ]


def _number(value: Any) -> float:
    """A positive number; NaN for one that is missing."""
    return float(value) if value and float(value) > 0 else float("nan")
