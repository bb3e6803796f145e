"""Which tables are in use: a named directory, `LLM_NAS_DATA`, the user cache or the pack."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs

from llm_nas.errors import DataError

ENVIRONMENT_VARIABLE = "LLM_NAS_DATA"


def user_cache() -> Path:
    """Where `llm-nas data fetch` puts tables; the directory need not exist."""
    return platformdirs.user_cache_path("llm-nas") / "tables"


def named_directory(data_dir: Path | None = None) -> tuple[Path, str] | None:
    """The directory asked for and by what: the argument, else the environment; empty is unset."""
    if data_dir is not None:
        return data_dir, "--data-dir"
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE, "")
    return (Path(from_environment), ENVIRONMENT_VARIABLE) if from_environment else None


def tables_folder(
    missing: Callable[[Path], list[str]], data_dir: Path | None = None
) -> Path | None:
    """The directory that holds some tables; None: nowhere, use what is shipped.

    Args:
        missing: Names of the files that a directory lacks.
        data_dir: When it or the environment names a directory, nothing else is tried.

    Raises:
        DataError: The named directory does not exist or lacks files.
    """
    named = named_directory(data_dir)
    if named is None:
        return None if missing(user_cache()) else user_cache()
    folder, by = named
    if not folder.is_dir():
        raise DataError(f"{by}: '{folder}' is not a directory")
    if absent := missing(folder):
        raise DataError(f"{by}: '{folder}' lacks {', '.join(absent)}")
    return folder


def first_that_holds(files: Sequence[str | Path], data_dir: Path | None = None) -> Path | None:
    """The first of some files that the named directory, or else the user cache, holds."""
    named = named_directory(data_dir)
    folders = [user_cache()] if named is None else [named[0], user_cache()]
    paths = (folder / file for folder in folders for file in files)
    return next((path for path in paths if path.is_file()), None)
