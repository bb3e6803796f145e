"""The shell: thin commands over the folders, one line for an error.

Commands import what they need when they run, so that `--help` stays quick.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from llm_nas.cli import (
    ablate,
    bias,
    compare,
    config,
    data,
    device,
    doctor,
    draft,
    finish,
    fork,
    heuristics,
    mcp,
    predictor,
    proxies,
    report,
    runs,
    search,
    space,
    trace,
    transfer,
    watch,
    worth,
)
from llm_nas.cli.output import console, say
from llm_nas.config import Commands, Setting, default_map, read_settings
from llm_nas.errors import LlmNasError, RequestError, first_problem

_INTERRUPTED = 130


def app() -> typer.Typer:
    """All commands."""
    shell = typer.Typer(
        name="llm-nas",
        help="Name a family of networks, your data and your device; get the front of both.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    shell.command("search")(search.search)
    shell.command("trace")(trace.trace)
    shell.command("compare")(compare.compare)
    shell.command("ablate")(ablate.ablate)
    shell.command("report")(report.report)
    shell.command("transfer")(transfer.transfer)
    shell.command("bias")(bias.bias)
    shell.command("draft")(draft.draft)
    shell.command("worth")(worth.worth)
    shell.command("fork")(fork.fork)
    shell.command("watch")(watch.watch)
    shell.command("mcp")(mcp.mcp)
    shell.command("finish")(finish.finish)
    shell.add_typer(heuristics.app, name="heuristics")
    shell.add_typer(predictor.app, name="predictor")
    shell.add_typer(proxies.app, name="proxies")
    shell.add_typer(data.app, name="data")
    shell.add_typer(device.app, name="device")
    shell.add_typer(runs.app, name="runs")
    shell.add_typer(space.app, name="space")
    shell.add_typer(config.app, name="config")
    shell.command("doctor")(doctor.doctor)
    shell.callback(invoke_without_command=True)(_version)
    return shell


def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Name a family of networks, your data and your device; get the front of both."""
    if version:
        from llm_nas import __version__

        say(f"llm-nas {__version__}")
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = _run(arguments)
    except (LlmNasError, TyperException) as error:
        if isinstance(error, TyperException) and error.format_message().startswith("Usage:"):
            say(error.format_message(), console)
            return error.exit_code
        return _complain(_line(error, arguments), error.exit_code)
    except ValidationError as error:
        return _complain(first_problem(error, "--"), 2)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("interrupted", _INTERRUPTED)
    except typer.Exit as stop:
        code = stop.exit_code
    # The shell library turns Ctrl-C into this exit code and says nothing.
    if code == _INTERRUPTED:
        return _complain("interrupted", _INTERRUPTED)
    return code if isinstance(code, int) else 0


def _run(arguments: list[str]) -> object:
    """Run with defaults from the environment and the file of settings."""
    command = typer.main.get_command(app())
    settings = _settings(config.options_of(command), arguments)
    try:
        return command.main(
            args=arguments,
            prog_name="llm-nas",
            standalone_mode=False,
            default_map=default_map(settings),
        )
    except (LlmNasError, TyperException, ValidationError) as error:
        typed = {argument.partition("=")[0] for argument in arguments}
        if where := _blamed(error, [s for s in settings if f"--{s.option}" not in typed]):
            text = first_problem(error) if isinstance(error, ValidationError) else _line(error, [])
            raise RequestError(f"{where}: {text}") from error
        raise


def _settings(commands: Commands, arguments: list[str]) -> tuple[Setting, ...]:
    """What file and environment say; help and the doctor must work beside a broken file."""
    try:
        return read_settings(commands)
    except RequestError:
        if "--help" in arguments or "--version" in arguments or arguments[:1] == ["doctor"]:
            return ()
        raise


def _blamed(error: Exception, settings: Sequence[Setting]) -> str:
    """Where a refused option was set, if not on the command line."""
    parameter = getattr(error, "param", None)
    name = getattr(parameter, "name", "")
    if isinstance(error, ValidationError):
        name = str(error.errors()[0]["loc"][0])
    return next((s.where for s in settings if name in (s.parameter, s.parameter.rstrip("_"))), "")


def _complain(message: str, code: int) -> int:
    say(f"llm-nas: {message}", console)
    return code


def _line(error: Exception, arguments: list[str]) -> str:
    """The message on one line, with the value a refused option was given."""
    if isinstance(error, LlmNasError) and error.many_lines:
        return str(error)
    if not isinstance(error, TyperException):
        return " ".join(str(error).split())
    text = " ".join(error.format_message().split())
    for option, value in pairwise(arguments):
        text = text.replace(f"value for '{option}':", f"value {value!r} for {option}:")
    return text
