"""A user's own space from a Python file that he names himself: trusted code, run as it is."""

import re
from pathlib import Path
from typing import cast

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.plugins import made, opened, run_file
from llm_nas.ports import SearchSpace

_USUAL_NAME = "space"


def open_file(name: str, shape: TaskShape | None = None) -> SearchSpace:
    """The space that `FILE.py[:NAME]` defines: a variable, or a function of the task's shape.

    Raises:
        RequestError: There is no such file or variable, the file fails, or it is no space.
    """
    match = re.fullmatch(r"(.+\.py)(?::([A-Za-z_]\w*))?", name)
    if match is None:
        raise RequestError(f"space {name!r}: expected FILE.py or FILE.py:NAME")
    path, variable = Path(match[1]), match[2] or _USUAL_NAME
    held = vars(run_file(path))
    if variable not in held:
        raise RequestError(f"{path}: no variable {variable!r}; write `{variable} = Space(...)`")
    found = made("spaces", held[variable], f"{path}: {variable}", shape or TaskShape())
    return cast("SearchSpace", found)


def open_brought(name: str, shape: TaskShape | None = None) -> SearchSpace:
    """The space of an entry point or `module:NAME`: an object, or a function of the shape.

    Raises:
        RequestError: There is no such thing, it fails, or it is no space.
    """
    return cast("SearchSpace", opened("spaces", name, shape or TaskShape()))
