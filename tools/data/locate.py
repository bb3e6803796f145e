"""Which numbers are in use: a named directory, `LLM_NAS_DATA`, the user cache or the pack."""

import os
from pathlib import Path

import platformdirs

from llm_nas.errors import DataError
from llm_nas.ports import Benchmark
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.data.tables import TableBenchmark, missing_files

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


def open_benchmark(data_dir: Path | None = None) -> Benchmark:
    """The first source there is: `data_dir`, `LLM_NAS_DATA`, the user cache, the embedded pack.

    Args:
        data_dir: directory of tables. When it or the environment names one, nothing else is tried.

    Raises:
        DataError: the named directory lacks files, or a table is half-written, of a wrong shape
            or otherwise unreadable.
    """
    named = named_directory(data_dir)
    if named is not None:
        folder, by = named
        if not folder.is_dir():
            raise DataError(f"{by}: '{folder}' is not a directory")
        absent = missing_files(folder)
        if absent:
            raise DataError(f"{by}: '{folder}' lacks {', '.join(absent)}")
        return TableBenchmark(folder)
    if not missing_files(user_cache()):
        return TableBenchmark(user_cache(), labels=PackBenchmark(own=None))
    return PackBenchmark()
