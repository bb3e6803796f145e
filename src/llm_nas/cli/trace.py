"""`llm-nas trace`: the story of a run, a niche or a network."""

from typing import Annotated

import typer

from llm_nas.cli.output import print_json, say


def trace(
    run: Annotated[str, typer.Argument(help="folder or id of a run")],
    niche: Annotated[str | None, typer.Option(help="only this niche")] = None,
    generation: Annotated[int | None, typer.Option(help="only this generation")] = None,
    arch: Annotated[str | None, typer.Option(help="only this architecture")] = None,
    role: Annotated[str | None, typer.Option(help="only this role: designer, plan, ...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="events as a JSON list")] = False,
) -> None:
    """Follow networks from proposal to verdict, timing and training, with reasons."""
    from llm_nas.graph import run_dir
    from llm_nas.graph.tell import select, tell
    from llm_nas.graph.trace import read_trace

    events = read_trace(run_dir.find(run))
    kept = select(events, niche=niche, generation=generation, arch=arch, role=role)
    if as_json:
        print_json([e.model_dump(mode="json") for e in kept])
        return
    for line in tell(kept):
        say(line)
