"""Accel-NASBench: 5,138 trained ImageNet networks on six accelerators, from its JSON archive.

Source: afzalxo/Accel-NASBench, Apache-2.0. Top-1 is after a shortened training schedule;
throughputs (images a second) become ms an image, an FPGA's latency is used as it is.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import Arch
from llm_nas.errors import DataError
from llm_nas.tools.data.rows import Rows, merged

ARCHIVE = "anb_dataset_jsons.tar.gz"
SOURCE = "Accel-NASBench (afzalxo/Accel-NASBench @ 42603572, Apache-2.0)"
TASK = "imagenet"
ROWS_FILE = "anb_rows.npz"
"""What conversion writes."""

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


def read_archive(path: Path) -> Rows:
    """The rows of the published archive, read in place: nothing is extracted.

    Raises:
        DataError: It is missing, damaged, or a member is not what is expected.
    """
    archs: list[Arch] = []
    names = (TASK, *_THROUGHPUTS, *_LATENCIES, "macs_m", "params_m")
    columns: dict[str, list[float]] = {name: [] for name in names}
    for name, record in _records(path):
        try:
            archs.append(_text(record["architecture"]))
            for column, value in _values(record).items():
                columns[column].append(value)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}, {name}: unexpected content ({error})") from error
    if not archs:
        raise DataError(f"{path}: holds no networks")
    table = {column: np.array(values) for column, values in columns.items()}
    return merged("anb", SOURCE, archs, table)


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


def _text(choices: dict[str, int]) -> Arch:
    """`e1=4 k1=3 l1=1 se1=0 ...` from `block0_e`, ..."""
    return " ".join(
        f"{part}{stage + 1}={int(choices[f'block{stage}_{part}'])}"
        for stage in _STAGES
        for part in _PARTS
    )


def _values(record: dict[str, Any]) -> dict[str, float]:
    """Top-1 in %, ms an image by device, millions of MACs and parameters."""
    speed, size = record["platform_perf"], record["model_info"]
    values = {TASK: _number(record["metrics"]["val_top1"])}
    for device, column in _THROUGHPUTS.items():
        values[device] = 1000.0 / _number(speed.get(column, {}).get("throughput_mean"))
    for device, column in _LATENCIES.items():
        values[device] = _number(speed.get(column, {}).get("latency_mean"))
    return values | {"macs_m": _number(size["macs"]), "params_m": _number(size["params"])}


def _number(value: Any) -> float:
    """A positive number; NaN for one that is missing."""
    return float(value) if value is not None and float(value) > 0 else float("nan")
