"""`llm-nas device`: try a device before a search relies on it."""

from pathlib import Path
from typing import Annotated

import typer

from llm_nas.cli.output import console, print_json, say
from llm_nas.errors import RequestError

app = typer.Typer(
    help="Try a device: host, NAME=cmd:COMMAND, NAME=ssh://USER@HOST[:PORT].",
    no_args_is_help=True,
)

_PATIENCE_SECONDS = 30.0
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def check(
    device: Annotated[str, typer.Argument(help="host, NAME=cmd:... or NAME=ssh://...")],
    as_json: Json = False,
) -> None:
    """Connect, say who answers, and time a tiny network twice."""
    from llm_nas.tools.devices.check import check as work
    from llm_nas.tools.devices.real import open_real_device

    opened = open_real_device(device, patience_seconds=_PATIENCE_SECONDS, say=_told)
    try:
        found = work(opened)
    finally:
        opened.close()
    if as_json:
        print_json(found)
        return
    say(f"{opened.name}: {found['answers']}")
    say(f"a tiny network: {found['median_ms']:.4g} ms ({found['low_ms']:.4g} to "
        f"{found['high_ms']:.4g})")  # fmt: skip
    for note in found["notes"]:
        say(f"note: {note}")


@app.command()
def time(
    file: Annotated[Path, typer.Argument(help="An ONNX file.")],
    device: Annotated[str, typer.Option(help="host, NAME=cmd:... or NAME=ssh://...")] = "host",
    as_json: Json = False,
) -> None:
    """Time an ONNX file: median, least and greatest median of the sessions."""
    from llm_nas.tools.devices.real import open_real_device

    if not file.is_file():
        raise RequestError(f"{file}: no such file; expected an ONNX file")
    opened = open_real_device(device, patience_seconds=_PATIENCE_SECONDS, say=_told)
    try:
        latency = opened.time_file(file)
    finally:
        opened.close()
    if as_json:
        print_json(
            {
                "median_ms": latency.median_ms,
                "low_ms": latency.low_ms,
                "high_ms": latency.high_ms,
                "n": latency.runs,
                "notes": list(latency.notes),
            }
        )
        return
    say(f"{latency.median_ms:.4g} ms ({latency.low_ms:.4g} to {latency.high_ms:.4g}), "
        f"{latency.runs} runs in {latency.n} sessions")  # fmt: skip
    for note in latency.notes:
        say(f"note: {note}")


@app.command()
def runner() -> None:
    """Print the runner: the one file that a device behind `cmd:` needs."""
    from llm_nas.tools.devices.remote import RUNNER

    print(RUNNER.read_text(encoding="utf-8"), end="")


def _told(line: str) -> None:
    say(line, console)
