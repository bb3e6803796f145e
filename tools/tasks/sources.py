"""Which images a task's name stands for."""

from pathlib import Path

from llm_nas.errors import RequestError
from llm_nas.tools.tasks.labelled import Source

DIGITS = "digits"


def is_real(name: str) -> bool:
    """Whether a task's name stands for images: `digits`, a folder or an `.npz`."""
    return name == DIGITS or name.endswith(".npz") or Path(name).is_dir()


def open_source(name: str) -> Source:
    """The images behind a task's name.

    Raises:
        RequestError: when there is nothing of that name.
        DataError: when it cannot be used, in one line.
    """
    if name == DIGITS:
        from llm_nas.tools.tasks.arrays import Digits

        return Digits()
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".npz":
        from llm_nas.tools.tasks.arrays import Npz

        return Npz(path)
    if path.is_dir():
        from llm_nas.tools.tasks.folders import Folder

        return Folder(path)
    raise RequestError(f"task {name}: expected digits, a folder of class folders or a .npz file")
