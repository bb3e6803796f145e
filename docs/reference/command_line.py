"""Writes command-line.md from the shell itself: python docs/reference/command_line.py."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from llm_nas import cli

PAGE = Path(__file__).with_name("command-line.md")
HEAD = """# Command line

Made by `python docs/reference/command_line.py`. Results go to standard output, progress and
errors to standard error. `--json` prints one JSON document and nothing else. Exit codes: 0; 1 when
`doctor` finds something that would not work; 2 for a wrong request, said in one line; 3 for a run
that stopped and can be resumed; 130 after Ctrl-C outside a run. Every option can be
[set](../guide/settings.md) elsewhere too.
"""


def page() -> str:
    """The whole page."""
    root = typer.main.get_command(cli.app())
    return "\n".join([HEAD, *_lines(root, "llm-nas")])


def _lines(command: Any, name: str) -> Iterator[str]:
    for word, child in sorted(getattr(command, "commands", {}).items()):
        yield from _lines(child, f"{name} {word}")
    if not hasattr(command, "commands"):
        yield f"## {name}\n"
        yield f"{(command.help or '').strip()}\n"
        yield from (_option(p) for p in command.params if p.name != "help")
        yield ""


def _option(parameter: Any) -> str:
    named = (
        " ".join(parameter.opts) if parameter.opts[0].startswith("-") else parameter.name.upper()
    )
    text = " ".join((getattr(parameter, "help", "") or "").split())
    default = parameter.default
    shown = isinstance(default, (str, int, float)) and not isinstance(default, bool)
    return f"- `{named}` {text}" + (f" [{default}]" if shown and default != "" else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
