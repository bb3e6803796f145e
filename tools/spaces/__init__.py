"""Families of networks: the shipped ones by name, a user's own by file.

Nothing heavy is imported before a space is opened, torch not before a network is built.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from llm_nas.errors import RequestError

if TYPE_CHECKING:
    from llm_nas.domain import TaskShape
    from llm_nas.ports import SearchSpace
    from llm_nas.tools.spaces.moves import NicheMoves
    from llm_nas.tools.spaces.nested import NestedSpace
    from llm_nas.tools.spaces.pool import Pool
    from llm_nas.tools.spaces.space import Space

__all__ = ["NAMES", "NestedSpace", "NicheMoves", "Pool", "Space", "open_space"]

NAMES = ("mobile", "nb201", "anb", "anb-rows", "hwgpt-s", "fbnet")
"""Spaces that ship; `anb-rows` is the family of `anb`, searched inside its measured rows."""

_HOMES = {"Space": "space", "Pool": "pool", "NicheMoves": "moves", "NestedSpace": "nested"}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llm_nas.tools.spaces' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"llm_nas.tools.spaces.{_HOMES[name]}"), name)


def open_space(name: str, shape: "TaskShape | None" = None) -> "SearchSpace":
    """The space of a name, `FILE.toml` or `FILE.py[:NAME]`; remembers it as `opened_as`.

    Args:
        name: One of `NAMES`, or a file of the user's own; Python files are run.
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
    if name == "nb201":
        from llm_nas.tools.spaces.nb201 import NasBench201

        return NasBench201(shape)
    if name == "hwgpt-s":
        from llm_nas.tools.spaces.hwgpt import hwgpt_s

        return hwgpt_s()
    if name.split(":")[0].endswith(".py"):
        from llm_nas.tools.spaces.user import open_file

        return open_file(name, shape)
    if name in NAMES or name.endswith(".toml"):
        from llm_nas.tools.spaces.macro import open_macro

        return open_macro(name, shape)
    raise RequestError(f"space {name!r}: expected {', '.join(NAMES)}, FILE.toml or FILE.py[:NAME]")
