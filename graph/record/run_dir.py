"""A run's directory: what it holds, and writing it so that nothing is ever half there."""

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError, StoreError

REQUEST, RESULT, CHECKPOINT = "request.json", "result.json", "checkpoint.sqlite"
PICTURE, STORE, RECALLED = "front.png", "store", "recalled.json"
TRACE, LOCK, NOW, STEER = "trace.jsonl", "lock", "now.json", "steer.jsonl"
TALK = "talk.jsonl"
RUNS = Path("runs")


def new_run_id(request: SearchRequest) -> str:
    """A readable, unique name: space, task, device, seed, local time and four random digits."""
    named = (request.space, request.task, (request.device or "").split("=")[0])
    parts = [re.sub(r"[^A-Za-z0-9_-]", "", Path(part).stem)[:24] for part in named if part]
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    tail = f"s{request.seed}-{stamp}-{secrets.token_hex(2)}"
    return "-".join([*(part for part in parts if part), tail])


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file by way of a temporary one beside it; `StoreError` if that fails."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file by way of a temporary one beside it, flushed to disk before the rename."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def create(request: SearchRequest, options: Mapping[str, Any], **more: Any) -> tuple[str, Path]:
    """Make the folder of a new run with its request in it; the run's id and the folder.

    The request is written first of all, with `more` about it beside: from here on a killed run
    can be resumed.

    Raises:
        StoreError: When it cannot be made or already holds a run.
    """
    run = new_run_id(request)
    folder = request.out if request.out is not None else RUNS / run
    if (folder / REQUEST).exists():
        raise StoreError(f"--out {folder}: already holds a run; use --resume {folder}")
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"--out {folder}: is a file, expected a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"--out {folder}: cannot be made: {error.strerror}") from error
    body = {
        "run": run,
        "request": request.model_dump(mode="json"),
        "options": dict(options),
    } | more
    write_json(folder / REQUEST, body)
    return run, folder


def discard(folder: Path) -> None:
    """Remove what a refused request left behind, and nothing else."""
    shutil.rmtree(folder / STORE, ignore_errors=True)
    database = (CHECKPOINT, f"{CHECKPOINT}-wal", f"{CHECKPOINT}-shm")
    for name in (*database, RECALLED, TRACE, LOCK, NOW, STEER, TALK, REQUEST):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep a second process from driving the same run; `StoreError` when one already does."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StoreError(f"{folder}: another process is working on this run") from None
    try:
        yield
    finally:
        lock.release()


def find(run: str | Path) -> Path:
    """The directory of a run given by path, or by id under `runs/`.

    Raises:
        RequestError: When neither exists.
    """
    for folder in (Path(run), RUNS / run):
        if (folder / REQUEST).is_file():
            return folder
    raise RequestError(f"run {str(run)!r}: no {REQUEST} there or under {RUNS}/")


def read_json(path: Path) -> Any:
    """The content of a JSON file; `StoreError` when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path}: is not JSON") from error
