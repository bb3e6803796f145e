"""`llm-nas report`: one HTML file that shows runs without a server or a network."""

from pathlib import Path
from typing import Annotated

import typer

from llm_nas.cli.output import say


def report(
    runs: Annotated[list[str], typer.Argument(help="Run directories or ids.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("report.html"),
) -> None:
    """Write a page of one or more finished runs."""
    from llm_nas.experiments.page import write_page

    write_page(runs, out)
    say(str(out))
