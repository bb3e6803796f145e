"""Macro spaces: TOML files, the catalogue of blocks, one builder. The format: `schema`."""

from pathlib import Path

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.macro.schema import fitted, read_macro
from llm_nas.tools.spaces.macro.space import MacroSpace

__all__ = ["MacroSpace", "open_macro"]

_SHIPPED = Path(__file__).parent.parent
_ROWS = "-rows"
"""Ending of the name of a family that is searched inside its measured rows."""


def open_macro(name: str, shape: TaskShape | None = None) -> MacroSpace:
    """The space of `FILE.toml`, or a shipped one by name.

    Raises:
        RequestError: One line with the file, the key and what is wrong.
    """
    if name.endswith(".toml"):
        path, own = Path(name), None
        if not path.is_file():
            raise RequestError(f"space {name!r}: no such file")
    else:
        path, own = _SHIPPED / f"{name.removesuffix(_ROWS)}.toml", name
    file, tables = read_macro(path)
    if shape is not None:
        file, tables = fitted(file, tables, shape)
    return MacroSpace(file, tables, name=own, shape=shape)
