"""`llm-nas watch`: a live page of a run, and buttons that steer it."""

from pathlib import Path
from typing import Annotated

import typer

from llm_nas.cli.output import console, say
from llm_nas.errors import RequestError


def watch(
    run: Annotated[
        str | None, typer.Argument(help="folder or id of a run; default: the newest in runs/")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 0,
    host: Annotated[str, typer.Option(help="who can reach it: this machine alone")] = "127.0.0.1",
) -> None:
    """Watch runs in a browser: the front as it grows, reasons, cost, and buttons to steer."""
    from llm_nas.graph.record import run_dir

    try:
        from llm_nas.watch.server import serve
    except ModuleNotFoundError as error:
        raise RequestError(
            f"watch: {error.name} is not installed; install 'llm-nas[watch]'"
        ) from None

    folder = None if run is None else run_dir.find(run).resolve()
    root, chosen = (Path("runs"), "") if folder is None else (folder.parent, folder.name)
    if host not in ("127.0.0.1", "localhost"):
        say(f"--host {host}: everybody who has the address may watch and steer", console)
    serve(root, chosen, host, port, lambda line: say(line))
