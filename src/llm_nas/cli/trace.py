"""`llm-nas trace`: the story of a run, a niche or a cell."""

from typing import Annotated

import typer

from llm_nas.cli.output import print_json, say


def trace(
    run: Annotated[str, typer.Argument(help="run directory or id")],
    niche: Annotated[str | None, typer.Option(help="only this niche")] = None,
    cell: Annotated[str | None, typer.Option(help="only this architecture")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="events as a JSON list")] = False,
) -> None:
    """Follow cells from their parents to verdict and measurement."""
    from llm_nas.graph import rundir
    from llm_nas.graph.story import select, tell
    from llm_nas.graph.trace import read_trace

    events = select(read_trace(rundir.find(run)), niche=niche, cell=cell)
    if as_json:
        print_json([e.model_dump(mode="json") for e in events])
        return
    for line in tell(events):
        say(line)
