"""Where the shell's words go: results to stdout, progress and errors to stderr."""

import json
import os
import sys
from typing import Any

from pydantic import BaseModel
from rich.console import Console

console = Console(stderr=True)
"""Progress, notes and errors."""
out = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 240)
"""Tables and stories for people; where they go to a file or a pipe, nothing is cut to a screen."""


def say(line: str, where: Console = out) -> None:
    """Print lines as they are: nothing in them is markup, and none is broken."""
    where.print(line, markup=False, highlight=False, soft_wrap=True)


def yes_or_no(seconds: float) -> bool | None:
    """A line typed within some seconds: no for one that starts with n; None for no line."""
    import select
    import sys
    import time

    if not sys.stdin.isatty():
        time.sleep(seconds)
        return None
    if not select.select([sys.stdin], [], [], seconds)[0]:
        return None
    return not sys.stdin.readline().strip().lower().startswith("n")


def print_json(value: Any) -> None:
    """Print one JSON document, and nothing else, on stdout."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    print(json.dumps(plain, indent=2, allow_nan=False))
