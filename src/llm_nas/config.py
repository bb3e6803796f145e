"""Settings of commands: flags > environment > one file > what is built in.

The file is `llm-nas.toml` in the working directory, else in the user's folder of settings; it
has a table a command (`[search]`, `[heuristics.ask]`) with options by their long names. The
environment has `LLM_NAS_<COMMAND>_<OPTION>`, such as `LLM_NAS_SEARCH_MAX_LATENCY_MS=5`.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from llm_nas.errors import RequestError

FILE_NAME = "llm-nas.toml"
PREFIX = "LLM_NAS_"
Commands: TypeAlias = Mapping[tuple[str, ...], Mapping[str, str]]
"""Every command's path, and its options: long name without dashes to parameter name."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a command's option, and where it was found."""

    command: tuple[str, ...]
    option: str
    parameter: str
    value: str | bool
    origin: Literal["file", "environment"]
    where: str
    """Path of the file, or name of the variable."""


def candidates() -> tuple[Path, Path]:
    """Where a file of settings is looked for, in this order."""
    import platformdirs

    return Path(FILE_NAME), platformdirs.user_config_path("llm-nas") / FILE_NAME


def settings_file() -> Path | None:
    """The file in use; None where there is none."""
    return next((path for path in candidates() if path.is_file()), None)


def read_settings(commands: Commands) -> tuple[Setting, ...]:
    """Every setting of file and environment, one an option: the one that counts.

    Raises:
        RequestError: A file that is no TOML, or names of commands and options nobody has.
    """
    path = settings_file()
    found = {} if path is None else {(s.command, s.option): s for s in _from_file(path, commands)}
    found |= {(s.command, s.option): s for s in _from_environment(commands)}
    return tuple(found.values())


def default_map(settings: tuple[Setting, ...]) -> dict[str, Any]:
    """The settings as nested defaults: command, subcommand, parameter."""
    nested: dict[str, Any] = {}
    for setting in settings:
        level = nested
        for word in setting.command:
            level = level.setdefault(word, {})
        level[setting.parameter] = setting.value
    return nested


def _from_environment(commands: Commands) -> Iterator[Setting]:
    for command, options in commands.items():
        for option, parameter in options.items():
            words = "_".join((*command, option)).replace("-", "_").upper()
            value = os.environ.get(PREFIX + words, "")
            if value:
                yield Setting(command, option, parameter, value, "environment", PREFIX + words)


def _from_file(path: Path, commands: Commands) -> Iterator[Setting]:
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"{path}: {' '.join(str(error).split())}") from error
    yield from _level(path, (), body, commands)


def _level(
    path: Path, command: tuple[str, ...], body: Mapping[str, Any], commands: Commands
) -> Iterator[Setting]:
    """Settings of one table of the file and of the tables inside it."""
    options = commands.get(command, {})
    deeper = {known[len(command)] for known in commands if _below(known, command)}
    for key, value in body.items():
        option = key.replace("_", "-")
        if key in deeper and isinstance(value, dict):
            table = cast("Mapping[str, Any]", value)
            yield from _level(path, (*command, key), table, commands)
        elif option in options and isinstance(value, (str, bool, int, float)):
            plain = value if isinstance(value, bool) else str(value)
            yield Setting(command, option, options[option], plain, "file", str(path))
        elif option in options:
            raise RequestError(f"{path}: {_name(command, key)}: expected one value")
        else:
            raise RequestError(f"{path}: {_name(command, key)}: {_meant(option, options, deeper)}")


def _below(known: tuple[str, ...], command: tuple[str, ...]) -> bool:
    return len(known) > len(command) and known[: len(command)] == command


def _name(command: tuple[str, ...], key: str) -> str:
    return ".".join((*command, key))


def _meant(option: str, options: Mapping[str, str], deeper: set[str]) -> str:
    """What an unknown name may have meant."""
    kind = "option" if options else "command"
    near = difflib.get_close_matches(option, [*options, *deeper], n=1)
    meant = f"did you mean {near[0]}?" if near else "see llm-nas --help"
    return f"no such {kind}; {meant}"
