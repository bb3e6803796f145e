"""Test accuracies of NAS-Bench-201 (200 epochs, mean over seeds), published or modelled."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from llm_nas.domain import Arch, FloatArray
from llm_nas.tools.data.locate import tables_folder
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.data.nb201.pack import PackTables
from llm_nas.tools.data.nb201.tables import ACCURACY_FILE, accuracies, missing_files
from llm_nas.tools.data.npz import TableFile


def true_pct(task: str, archs: Sequence[Arch], data_dir: Path | None = None) -> FloatArray:
    """`(n,)` test accuracies in %, from the tables that `nb201_tables` would open."""
    return _all(tables_folder(missing_files, data_dir), task)[cells.rows(archs)]


@cache
def _all(folder: Path | None, task: str) -> FloatArray:
    if folder is None:
        return PackTables(own=None).test_pct(task)
    return published_test_pct(folder, task)


def published_test_pct(folder: Path, task: str) -> FloatArray:
    """`(15625,)` in benchmark order."""
    return accuracies(TableFile(folder / ACCURACY_FILE, {}), "test_acc", task)
