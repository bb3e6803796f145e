"""What ships, by name, as `data/contexts.toml` says: nothing heavy is imported for it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "contexts.toml"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A space that ships; see the comments in `contexts.toml`."""

    tasks: tuple[str, ...]
    devices: tuple[str, ...]
    compared: tuple[str, ...]
    tuned_on: tuple[str, ...]
    opens: str

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "Shipped":
        """From its table in the file."""
        return cls(
            tasks=tuple(table["tasks"]),
            devices=tuple(table["devices"]),
            compared=tuple(table.get("compared", ())),
            tuned_on=tuple(table.get("tuned_on", ())),
            opens=table.get("opens", ""),
        )


@cache
def _file() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


@cache
def known() -> Mapping[str, Shipped]:
    """Every space that ships."""
    return {name: Shipped.of(table) for name, table in _file()["spaces"].items()}


def default(command: str) -> str:
    """The contexts of a command that is told none."""
    return str(_file()["defaults"][command])


@cache
def groups() -> Mapping[str, tuple[str, ...]]:
    """Contexts that comparisons are made on: by space, and `all` of them."""
    by_space = {
        space: tuple(f"{space}/{task}/{d}" for task in found.tasks for d in found.compared)
        for space, found in known().items()
        if found.compared
    }
    return {"all": tuple(c for contexts in by_space.values() for c in contexts), **by_space}


@cache
def tuned_on() -> tuple[str, ...]:
    """How the names of contexts begin on which settings of the search were chosen."""
    return tuple(f"{space}/{rest}" for space, found in known().items() for rest in found.tuned_on)
