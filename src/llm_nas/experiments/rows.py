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

from llm_nas.domain import ContextName
from llm_nas.errors import RequestError, StoreError
from llm_nas.frozen import Frozen

LOG_FILE, CSV_FILE, SETTINGS_FILE = "rows.jsonl", "rows.csv", "settings.json"


class Row(Frozen):
    """The figures of one run, as `--json` prints them; `device` is a name without a path."""

    method: str
    space: str
    task: str
    device: str
    seed: int
    trainings: float
    hv: float
    hv_at: dict[str, float]
    igd_plus: float | None
    seconds: float

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What identifies a run inside an experiment."""
        return (self.method, self.space, self.task, self.device, self.seed)

    @property
    def context(self) -> ContextName:
        """Where it ran."""
        return ContextName(space=self.space, task=self.task, device=self.device)


class Record(Frozen):
    """A line of the log: the row, and what tables and pictures need beside it."""

    row: Row
    curve: tuple[tuple[float, float], ...]
    """(trainings, hv) wherever the claimed front changed."""
    optimism: float
    niches: float
    latency_deciles: float
    trainings_to: dict[str, float | None]
    reference: str = ""
    """Digest of the reference front: tables may have changed since."""


class Settings(Frozen):
    """What all rows of a log have in common; rows of other settings do not mix."""

    protocol: int
    trainings: int
    accuracy: str
    labels: int | None
    """Of the predictor; None where networks are trained."""
    opening: int
    batch: int
    partition: str | None


Line = TypeVar("Line", bound=Frozen)


class RowLog(Generic[Line]):
    """The append-only log in an experiment's directory; without a directory, a list."""

    def __init__(self, folder: Path | None, settings: Frozen, line: type[Line]) -> None:
        """Open or create the log.

        Args:
            folder: The experiment's directory; None keeps rows in memory alone.
            settings: What all its rows have in common.
            line: The class of its lines.

        Raises:
            RequestError: If the directory holds rows of other settings.
            StoreError: If it cannot be read or written.
        """
        self.records: list[Line] = []
        self._path = None if folder is None else folder / LOG_FILE
        if folder is None or self._path is None:
            return
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
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as log:
                log.write(record.model_dump_json() + "\n")
                log.flush()
                os.fsync(log.fileno())
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written ({error.strerror})") from error


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as CSV, one column a field and checkpoint, in a fixed order."""
    ordered = sorted(rows, key=lambda r: r.key)
    at = sorted({k for row in ordered for k in row.hv_at}, key=float)
    fields = [name for name in Row.model_fields if name != "hv_at"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=[*fields, *(f"hv_at_{k}" for k in at)])
        writer.writeheader()
        for row in ordered:
            curve = {f"hv_at_{k}": row.hv_at.get(k, "") for k in at}
            writer.writerow(row.model_dump(exclude={"hv_at"}) | curve)


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
