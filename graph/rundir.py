"""A run's directory: what it holds, and writing it so that nothing is ever half there."""

import json
import os
import re
import secrets
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError, StoreError

REQUEST, RESULT, CHECKPOINT = "request.json", "result.json", "checkpoint.sqlite"
FRONT, STORE, INHERITED = "front.png", "store", "inherited.json"
TRACE, SOURCES = "trace.jsonl", "sources.npz"
RUNS = Path("runs")


def new_run_id(request: SearchRequest) -> str:
    """A readable, unique name: dataset, device, seed, local time and four random digits."""
    device = re.sub(r"[^A-Za-z0-9_-]", "", request.device.split("=")[0])[:32]
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return f"{request.dataset}-{device}-s{request.seed}-{stamp}-{secrets.token_hex(2)}"


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


def create(request: SearchRequest) -> tuple[str, Path]:
    """Make the directory of a new run; its id and path.

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
    return run, folder


def discard(folder: Path) -> None:
    """Remove what a refused request left behind, and nothing else."""
    shutil.rmtree(folder / STORE, ignore_errors=True)
    for name in (CHECKPOINT, f"{CHECKPOINT}-wal", f"{CHECKPOINT}-shm", INHERITED, SOURCES, TRACE):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


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
