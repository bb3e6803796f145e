"""A user's own space from a Python file that he names himself: trusted code, run as it is."""

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, cast

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace

_USUAL_NAME = "space"
_NEEDED = (
    "name choices groups quantities_info log10_size parse arch values twin facts quantities "
    "sample neighbours cross features describe"
).split()


def open_file(name: str, shape: TaskShape | None = None) -> SearchSpace:
    """The space that `FILE.py[:NAME]` defines: a variable, or a function of the task's shape.

    Raises:
        RequestError: There is no such file or variable, the file fails, or it is no space.
    """
    match = re.fullmatch(r"(.+\.py)(?::([A-Za-z_]\w*))?", name)
    if match is None:
        raise RequestError(f"space {name!r}: expected FILE.py or FILE.py:NAME")
    path, variable = Path(match[1]), match[2] or _USUAL_NAME
    if not path.is_file():
        raise RequestError(f"space {name!r}: no such file")
    held = vars(_run(path))
    if variable not in held:
        raise RequestError(f"{path}: no variable {variable!r}; write `{variable} = Space(...)`")
    found: Any = held[variable]
    if isinstance(found, FunctionType):
        found = found(shape or TaskShape())
    if missing := [need for need in _NEEDED if not hasattr(found, need)]:
        kind = type(found).__name__
        raise RequestError(f"{path}: {variable} is a {kind}, no space: it has no {missing[0]}")
    return cast("SearchSpace", found)


def _run(path: Path) -> ModuleType:
    """The file as a module; it may import modules that lie beside it."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"llm_nas_space_{digest}", path)
    if spec is None or spec.loader is None:
        raise RequestError(f"{path}: Python cannot read it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error
    except Exception as error:
        where = _line_of(error, path)
        raise RequestError(f"{path}{where}: {type(error).__name__}: {error}") from error
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """`, line 7`: where in the file an error came from."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
