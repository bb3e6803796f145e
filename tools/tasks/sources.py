"""Which images a task's name stands for."""

from pathlib import Path

from llm_nas.errors import RequestError
from llm_nas.tools.tasks.labelled import Source

DIGITS = "digits"
PREFIX = "series:"
EXPECTED = "digits, a folder of class folders, a .npz file of images or series:FILE.csv"


def is_real(name: str) -> bool:
    """Whether a task's name stands for images or series: `digits`, a folder, an `.npz`, ..."""
    known = name == DIGITS or name.endswith(".npz") or name.startswith(PREFIX)
    return known or Path(name).is_dir()


def open_source(name: str) -> Source:
    """The images behind a task's name.

    Raises:
        RequestError: when there is nothing of that name.
        DataError: when it cannot be used, in one line.
    """
    if name == DIGITS:
        from llm_nas.tools.tasks.arrays import Digits

        return Digits()
    path = Path(name.removeprefix(PREFIX)).expanduser()
    if name.startswith(PREFIX) and path.is_file():
        from llm_nas.tools.tasks.series import Series

        return Series(path)
    if path.is_file() and path.suffix == ".npz":
        from llm_nas.tools.tasks.arrays import Npz

        return Npz(path)
    if path.is_dir():
        from llm_nas.tools.tasks.folders import Folder

        return Folder(path)
    raise RequestError(f"task {name}: expected {EXPECTED}")
