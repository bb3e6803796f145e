"""`llm-nas trace`: the story of a run, a niche or a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli.output import print_json, say

if TYPE_CHECKING:
    from llm_nas.domain import TraceEvent

_COLUMNS = 80
_POLL_S = 0.5


def trace(
    run: Annotated[str, typer.Argument(help="folder or id of a run")],
    niche: Annotated[str | None, typer.Option(help="only this niche")] = None,
    generation: Annotated[int | None, typer.Option(help="only this generation")] = None,
    arch: Annotated[str | None, typer.Option(help="only this architecture")] = None,
    role: Annotated[str | None, typer.Option(help="only this role: designer, plan, ...")] = None,
    request: Annotated[
        str | None, typer.Option(help="the words of one call of a model, by its hash")
    ] = None,
    follow: Annotated[bool, typer.Option(help="go on as the run goes on, to its end")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="events as a JSON list; with --follow one a line")
    ] = False,
) -> None:
    """Follow networks from proposal to verdict, timing and training, with reasons."""
    from llm_nas.errors import RequestError
    from llm_nas.graph.record import run_dir
    from llm_nas.graph.record.tell import select, tell
    from llm_nas.graph.record.trace import read_trace

    folder = run_dir.find(run)
    if request is not None:
        _words(folder, request)
        return
    wanted = {"niche": niche, "generation": generation, "arch": arch, "role": role}
    if not follow:
        kept = select(read_trace(folder), **wanted)  # type: ignore[arg-type]
        if as_json:
            print_json([e.model_dump(mode="json") for e in kept])
            return
        for line in tell(kept, _COLUMNS):
            say(line)
        return
    for block in _arriving(folder):
        try:
            kept = select(block, **wanted)  # type: ignore[arg-type]
        except RequestError:
            continue  # nothing of it in this block
        for line in (e.model_dump_json() for e in kept) if as_json else tell(kept, _COLUMNS):
            say(line)


def _arriving(folder: Path) -> "Iterator[list[TraceEvent]]":
    """Events as they are written, until the run is over or nobody works on it."""
    import time

    from llm_nas.graph.record import run_dir
    from llm_nas.graph.record.now import read_now
    from llm_nas.graph.record.trace import read_trace

    told = 0
    while True:
        over = (folder / run_dir.RESULT).exists() or read_now(folder) is None
        events = read_trace(folder) if (folder / run_dir.TRACE).exists() else []
        if len(events) > told:
            yield events[told:]
            told = len(events)
        if over:
            return
        time.sleep(_POLL_S)


def _words(folder: Path, request: str) -> None:
    """Print what was said in one call."""
    from llm_nas.agents.chat.talk import words_of
    from llm_nas.graph.record import run_dir

    for role, words in words_of(folder / run_dir.TALK, request):
        say(f"{role}:")
        say(words)
