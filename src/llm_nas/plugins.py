"""Parts that others bring: by the name of an entry point, `module:NAME` or `FILE.py:NAME`.

Nothing but what a user names is ever imported or run.
"""

import hashlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

from llm_nas.errors import LlmNasError, RequestError

Kind: TypeAlias = Literal["spaces", "tasks", "devices", "designers", "methods"]
"""What may be brought; the entry points' groups are `llm_nas.spaces` and so on."""

NEEDED: Mapping[Kind, str] = {
    "spaces": "name choices groups quantities_info log10_size parse arch values twin facts "
    "quantities sample neighbours cross features describe",
    "tasks": "name metric chance source train",
    "devices": "name exact source supports measure",
    "designers": "source propose",
    "methods": "ask tell",
}
"""What each kind must have; `llm_nas.testing` checks what it must do."""

_MODULE = re.compile(r"(?P<home>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
_FILE = re.compile(r"(?P<home>.+\.py):(?P<name>[A-Za-z_]\w*)")


def names(kind: Kind) -> tuple[str, ...]:
    """Entry points of installed packages."""
    return tuple(sorted(entry_points(group=f"llm_nas.{kind}").names))


def is_plugin(kind: Kind, name: str) -> bool:
    """Whether a name can only mean something that others bring."""
    return bool(_MODULE.fullmatch(name) or _FILE.fullmatch(name)) or name in names(kind)


def find(kind: Kind, name: str) -> Any:
    """What a name means: a class, a function or an object.

    Raises:
        RequestError: There is no such thing, or importing it fails.
    """
    if file := _FILE.fullmatch(name):
        held = run_file(Path(file["home"]))
        return _attribute(held, file["name"], file["home"])
    if found := _MODULE.fullmatch(name):
        return _attribute(_module(found["home"]), found["name"], found["home"])
    for point in entry_points(group=f"llm_nas.{kind}", name=name):
        return _attribute(_module(point.module), point.attr, f"{name} ({point.module})")
    raise RequestError(f"{kind[:-1]} {name!r}: no installed package brings it")


def opened(kind: Kind, name: str, *arguments: Any) -> Any:
    """What a name means, called with `arguments` where it is a class or function, and checked.

    Raises:
        RequestError: It cannot be found or made, or lacks something that its kind needs.
    """
    return made(kind, find(kind, name), name, *arguments)


def made(kind: Kind, found: Any, name: str, *arguments: Any) -> Any:
    """See `opened`; for what was found already."""
    part = found
    if isinstance(found, type) or (callable(found) and not _lacks(kind, found) == []):
        try:
            part = found(*arguments)
        except LlmNasError as error:
            raise RequestError(f"{name}: {error}") from error
        except Exception as error:
            raise RequestError(f"{name}: {type(error).__name__}: {error}") from error
    if missing := _lacks(kind, part):
        what = type(part).__name__
        raise RequestError(f"{name}: is a {what}, no {kind[:-1]}: it has no {missing[0]}")
    return part


def beside(kind: Kind, name: str, other: str) -> Any:
    """Something else that stands in the module of a part; None where there is no such name."""
    match = _FILE.fullmatch(name) or _MODULE.fullmatch(name)
    if match is not None:
        home = run_file(Path(match["home"])) if match.re is _FILE else _module(match["home"])
        return getattr(home, other, None)
    for point in entry_points(group=f"llm_nas.{kind}", name=name):
        return getattr(_module(point.module), other, None)
    return None


def run_file(path: Path) -> ModuleType:
    """A user's Python file as a module; it may import modules that lie beside it.

    Raises:
        RequestError: There is no such file, or it fails: with the line where.
    """
    if not path.is_file():
        raise RequestError(f"{path}: no such file")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"llm_nas_user_{digest}", path)
    if spec is None or spec.loader is None:
        raise RequestError(f"{path}: Python cannot read it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _look_in(str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error
    except Exception as error:
        where = _line_of(error, path)
        raise RequestError(f"{path}{where}: {type(error).__name__}: {error}") from error
    return module


def _module(home: str) -> ModuleType:
    """An importable module, one in the working directory among them."""
    _look_in(str(Path.cwd()))
    try:
        return import_module(home)
    except ModuleNotFoundError as error:
        if error.name and home.startswith(error.name):
            raise RequestError(f"no module {home!r} here or among installed packages") from error
        raise RequestError(f"module {home}: {error}") from error
    except Exception as error:
        raise RequestError(f"module {home}: {type(error).__name__}: {error}") from error


def _look_in(folder: str) -> None:
    if folder not in sys.path:
        sys.path.append(folder)


def _attribute(module: ModuleType, name: str, home: str) -> Any:
    if not hasattr(module, name):
        raise RequestError(f"{home}: there is no {name!r} in it")
    return getattr(module, name)


def _lacks(kind: Kind, part: Any) -> list[str]:
    return [need for need in NEEDED[kind].split() if not hasattr(part, need)]


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
