"""`llm-nas finish`: a member of a front, trained long, exported, quantised and measured."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from llm_nas.cli.output import console, print_json, say


def finish(
    run: Annotated[Path, typer.Argument(help="Folder of a finished search.")],
    pick: Annotated[
        str, typer.Option(help="knee, a number from 1 (the fastest), or 'under 5 ms'.")
    ] = "knee",
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the long training.")] = None,
    precision: Annotated[str, typer.Option(help="fp32 or int8.")] = "fp32",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train a network of the front long, export it and measure the exported file."""
    from llm_nas.graph.ending.finish import finish as work

    made = work(
        run,
        pick=pick,
        epochs=epochs,
        precision=_precision(precision),
        say=lambda line: say(line, console),
    )
    if as_json:
        print_json({"folder": str(made.folder), **made.card.model_dump(mode="json")})
        return
    say((made.folder / "card.md").read_text(encoding="utf-8"))
    say(f"{made.folder}: model.onnx, weights, card.md, card.json, predict.py")


def _precision(text: str) -> Literal["fp32", "int8"]:
    if text == "fp32":
        return "fp32"
    if text == "int8":
        return "int8"
    raise typer.BadParameter(f"{text!r}: expected fp32 or int8")
