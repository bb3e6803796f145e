"""The shell: thin commands over the folders, one line for an error.

Commands import what they need when they run, so that `--help` stays quick.
"""

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
    finish,
    fork,
    heuristics,
    predictor,
    proxies,
    report,
    runs,
    search,
    trace,
    transfer,
)
from llm_nas.cli.output import console, say
from llm_nas.errors import LlmNasError, first_problem

_INTERRUPTED = 130


def _app() -> typer.Typer:
    app = typer.Typer(
        name="llm-nas",
        help="Name a family of networks, your data and your device; get the front of both.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.command("search")(search.search)
    app.command("trace")(trace.trace)
    app.command("compare")(compare.compare)
    app.command("ablate")(ablate.ablate)
    app.command("report")(report.report)
    app.command("transfer")(transfer.transfer)
    app.command("bias")(bias.bias)
    app.command("fork")(fork.fork)
    app.command("finish")(finish.finish)
    app.add_typer(heuristics.app, name="heuristics")
    app.add_typer(predictor.app, name="predictor")
    app.add_typer(proxies.app, name="proxies")
    app.add_typer(data.app, name="data")
    app.add_typer(device.app, name="device")
    app.add_typer(runs.app, name="runs")
    app.add_typer(config.app, name="config")
    app.command("doctor")(doctor.doctor)
    app.callback(invoke_without_command=True)(_version)
    return app


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
        code = _app()(arguments, standalone_mode=False)
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
