"""`llm-nas config`: which value every option would take, and where it comes from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_nas.cli.output import print_json, say

if TYPE_CHECKING:
    from llm_nas.config import Commands, Setting

app = typer.Typer(
    no_args_is_help=True,
    help="Show the settings in force: flags > environment > llm-nas.toml > defaults.",
)


@app.callback()
def config() -> None:
    """Keep `show` a subcommand: a group of one command would lose its name."""


@app.command()
def show(
    ctx: typer.Context,
    command: Annotated[
        str | None, typer.Argument(help="Only this command, such as search or heuristics.ask.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the options of `search`, of whatever is set elsewhere, and each value's origin."""
    from llm_nas.config import candidates, read_settings, settings_file
    from llm_nas.errors import RequestError

    root = ctx.find_root().command
    commands = options_of(root)
    wanted = tuple(command.split(".")) if command else None
    if wanted is not None and wanted not in commands:
        names = ", ".join(".".join(path) for path in commands)
        raise RequestError(f"{command!r}: no such command; use one of {names}")
    settings = read_settings(commands)
    told = [wanted] if wanted else sorted({("search",), *(s.command for s in settings)})
    values = {".".join(path): _values(root, path, settings) for path in told}
    places = [str(path) for path in candidates()]
    if as_json:
        used = settings_file()
        print_json({"file": used and str(used), "looked_for": places, "values": values})
        return
    say(f"file: {settings_file() or f'none; looked for {places[0]}, {places[1]}'}")
    for name, rows in values.items():
        say(f"[{name}]")
        for option, row in rows.items():
            shown = "" if row["value"] is None else row["value"]
            say(f"  {option} = {shown}  ({row['origin']}{row['where'] and ' ' + row['where']})")


def options_of(root: Any) -> "Commands":
    """Options of every command of the shell, as `llm_nas.config` wants them."""
    return {
        path: {_long(parameter): parameter.name for parameter in _options(command)}
        for path, command in _leaves(root, ())
    }


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something; typer's own types are private."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _leaves(child, (*path, name))


def _options(command: Any) -> list[Any]:
    named = [p for p in command.params if any(o.startswith("--") for o in p.opts)]
    return [p for p in named if p.name != "help"]


def _long(parameter: Any) -> str:
    found = next(option for option in parameter.opts if option.startswith("--"))
    return str(found.removeprefix("--"))


def _values(
    root: Any, path: tuple[str, ...], settings: "tuple[Setting, ...]"
) -> dict[str, dict[str, Any]]:
    set_here = {s.option: s for s in settings if s.command == path}
    command = dict(_leaves(root, ()))[path]
    rows: dict[str, dict[str, Any]] = {}
    for parameter in _options(command):
        found = set_here.get(_long(parameter))
        if found is None:
            default = parameter.default
            plain = default if isinstance(default, (str, int, float, bool)) else None
            plain = str(default) if plain is None and default is not None else plain
            rows[_long(parameter)] = {"value": plain, "origin": "default", "where": ""}
        else:
            row = {"value": found.value, "origin": found.origin, "where": found.where}
            rows[_long(parameter)] = row
    return rows
