"""Families of networks: the shipped ones by name, a user's own by file.

Nothing heavy is imported before a space is opened, torch not before a network is built.
"""

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from llm_nas.errors import RequestError
from llm_nas.plugins import is_plugin, names
from llm_nas.tools.registry import known

if TYPE_CHECKING:
    from llm_nas.domain import TaskShape
    from llm_nas.ports import SearchSpace
    from llm_nas.tools.spaces.moves import NicheMoves
    from llm_nas.tools.spaces.nested import NestedSpace
    from llm_nas.tools.spaces.pool import Pool
    from llm_nas.tools.spaces.space import Space

__all__ = ["NestedSpace", "NicheMoves", "Pool", "Space", "open_space"]

_HOMES = {"Space": "space", "Pool": "pool", "NicheMoves": "moves", "NestedSpace": "nested"}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llm_nas.tools.spaces' has no attribute {name!r}")
    return getattr(import_module(f"llm_nas.tools.spaces.{_HOMES[name]}"), name)


def open_space(name: str, shape: "TaskShape | None" = None) -> "SearchSpace":
    """The space of a name, `FILE.toml` or `FILE.py[:NAME]`; remembers it as `opened_as`.

    Args:
        name: One that ships (`llm_nas.tools.registry`), or a file of the user's own; Python
            files are run.
        shape: The task's images and classes, where known: parameters and multiply-adds of a
            network depend on them. None: the space's usual ones.

    Raises:
        RequestError: The name is unknown or the file is no space.
    """
    space = _opened(name, shape)
    with suppress(AttributeError):  # an object of the user's own may forbid it
        space.opened_as = name  # type: ignore[attr-defined]
    return space


def _opened(name: str, shape: "TaskShape | None") -> "SearchSpace":
    shipped = known().get(name)
    if shipped is not None and shipped.opens:
        home, _, maker = shipped.opens.partition(":")
        made = getattr(import_module(f"llm_nas.tools.spaces.{home}"), maker)
        return cast("SearchSpace", made(shape))
    if name.startswith("around:"):
        from llm_nas.tools.spaces.around import open_around

        return open_around(name, shape)
    if name.split(":")[0].endswith(".py"):
        from llm_nas.tools.spaces.user import open_file

        return open_file(name, shape)
    if shipped is not None or name.endswith(".toml"):
        from llm_nas.tools.spaces.macro import open_macro

        return open_macro(name, shape)
    if is_plugin("spaces", name):
        from llm_nas.tools.spaces.user import open_brought

        return open_brought(name, shape)
    allowed = ", ".join((*known(), *names("spaces")))
    raise RequestError(
        f"space {name!r}: expected {allowed}, FILE.toml, FILE.py[:NAME], module:NAME"
    )
