"""The raw rows of an experiment: one line a finished run, appended as it finishes.

The log is the truth and the means to resume; the CSV is written from it. A line that a crash
cut short is dropped when the log is read, and its run is done again.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from llm_nas.domain import PROTOCOL_VERSION, Frozen
from llm_nas.errors import RequestError, StoreError

LOG_FILE = "rows.jsonl"
CSV_FILE = "rows.csv"
SETTINGS_FILE = "settings.json"


class Row(Frozen):
    """The figures of one run, as in the CSV; `device` is a name without a path."""

    method: str
    dataset: str
    device: str
    seed: int
    evaluations: int
    hv: float
    hv_at_k: float
    igd_plus: float
    unit_hv: float
    seconds: float
    igd: float
    hv_ceiling: float
    optimism: float
    niches: float
    latency_deciles: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What identifies a run inside an experiment."""
        return (self.method, self.dataset, self.device, self.seed)


class Record(Frozen):
    """A line of the log: the row, and what pictures and re-scoring need."""

    row: Row
    cells: tuple[int, ...]
    """Benchmark indices of the evaluated cells, in order."""
    curve: tuple[tuple[int, float], ...]
    """`hv` after these numbers of evaluations."""
    front: tuple[tuple[float, float], ...]
    """The claimed front re-scored: (error in %, latency in ms), by latency."""
    latencies: str = ""
    """Digest of the latency table: a device's file may have changed since."""


class Settings(Frozen):
    """What all rows of a log have in common; rows of other settings do not mix."""

    protocol: int = PROTOCOL_VERSION
    budget: int
    labels: int
    generations: int
    partition: str
    predictor: str
    """How predicted accuracies were made: rows of different predictors do not compare."""
    data_source: str
    data_digest: str


Line = TypeVar("Line", bound=Frozen)


class RowLog(Generic[Line]):
    """The append-only log in an experiment's directory; a line is a `Record` or another value."""

    def __init__(self, folder: Path, settings: Frozen, line: type[Line]) -> None:
        """Open or create the log.

        Args:
            folder: the experiment's directory.
            settings: what all its rows have in common.
            line: the class of its lines.

        Raises:
            RequestError: If the directory holds rows of other settings.
            StoreError: If it cannot be read or written.
        """
        self._path = folder / LOG_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _claim(folder / SETTINGS_FILE, settings)
            self.records = list(_read(self._path, line))
            _rewrite(self._path, self.records)
        except OSError as error:
            raise StoreError(f"--out {folder}: cannot be used ({error.strerror})") from error

    def append(self, record: Line) -> None:
        """Add a finished run; it is on disk when this returns."""
        self.records.append(record)
        try:
            with self._path.open("a", encoding="utf-8") as log:
                log.write(record.model_dump_json() + "\n")
                log.flush()
                os.fsync(log.fileno())
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written ({error.strerror})") from error


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as CSV, one column a field, in a fixed order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(Row.model_fields))
        writer.writeheader()
        writer.writerows(row.model_dump() for row in sorted(rows, key=lambda r: r.key))


def _claim(path: Path, settings: Frozen) -> None:
    if not path.exists():
        path.write_text(settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return
    try:
        found = type(settings).model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise RequestError(f"{path} is not a settings file of this version") from error
    if found != settings:
        ours, theirs = settings.model_dump(), found.model_dump()
        changed = [f"{k} {theirs[k]} there, {ours[k]} now" for k in ours if ours[k] != theirs[k]]
        raise RequestError(
            f"--out {path.parent} holds rows of another experiment ({'; '.join(changed)}); "
            "choose another directory"
        )


def _read(path: Path, line: type[Line]) -> Iterator[Line]:
    """The log's lines; only its last line may be damaged.

    Raises:
        RequestError: If another line is damaged.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, text in enumerate(lines, 1):
        try:
            yield line.model_validate_json(text)
        except ValidationError as error:
            if number < len(lines):
                raise RequestError(f"{path}: line {number} is damaged") from error


def _rewrite(path: Path, records: Iterable[Frozen]) -> None:
    """Drop a torn last line, so that the next one starts clean."""
    text = "".join(record.model_dump_json() + "\n" for record in records)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def load_rows(folder: Path) -> tuple[Settings, list[Record]]:
    """Settings and records of a finished or unfinished experiment.

    Raises:
        RequestError: If the directory holds none or it is damaged.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        raise RequestError(f"{folder}: no {SETTINGS_FILE}, so this is not an experiment")
    try:
        settings = Settings.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, json.JSONDecodeError) as error:
        raise RequestError(f"{path} is not a settings file of this version") from error
    return settings, list(_read(folder / LOG_FILE, Record))
