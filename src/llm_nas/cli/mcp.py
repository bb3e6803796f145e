"""`llm-nas mcp`: tools for other agents, over standard input and output."""

from pathlib import Path
from typing import Annotated

import typer

from llm_nas.errors import RequestError


def mcp(
    folder: Annotated[Path, typer.Option("--in", help="Folder that holds the runs.")] = Path(
        "runs"
    ),
    trust: Annotated[
        bool, typer.Option(help="let the client name Python files, commands and servers")
    ] = False,
) -> None:
    """Serve searches, fronts and claims to an agent (Model Context Protocol, stdio)."""
    try:
        from llm_nas.mcp.server import build_server
    except ModuleNotFoundError as error:
        raise RequestError(f"mcp: {error.name} is not installed; install 'llm-nas[mcp]'") from None

    folder.mkdir(parents=True, exist_ok=True)
    server, jobs = build_server(folder, trust=trust)
    try:
        server.run("stdio")
    finally:
        jobs.close()
