"""`llm-nas fork`: a run again from some generation on, with something changed."""

from pathlib import Path
from typing import Annotated

import typer

from llm_nas.cli.output import console, print_json, say


def fork(
    run: Annotated[str, typer.Argument(help="folder or id of a run")],
    generation: Annotated[int, typer.Option(help="first generation that is run again")],
    device: Annotated[str | None, typer.Option(help="another device")] = None,
    model: Annotated[str | None, typer.Option(help="another model, or offline")] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="another hard limit")] = None,
    trainings: Annotated[int | None, typer.Option(help="another budget, past included")] = None,
    seed: Annotated[int | None, typer.Option(help="other luck from there on")] = None,
    ban: Annotated[
        list[str] | None, typer.Option(help="claim that models are not shown from there on")
    ] = None,
    pin: Annotated[
        list[str] | None, typer.Option(help="claim that models are always shown, first")
    ] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="default runs/<id>")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="only the result, as JSON")] = False,
) -> None:
    """What would have come of a run, had something been different: its past is reused."""
    from llm_nas.cli.progress import watched
    from llm_nas.cli.result import show
    from llm_nas.graph.forks.fork import fork as door
    from llm_nas.graph.forks.forked import FIGURES, PICTURE
    from llm_nas.graph.record import run_dir
    from llm_nas.graph.run import Inputs

    changes = {
        "device": device,
        "model": model,
        "max_latency_ms": max_latency_ms,
        "trainings": trainings,
        "seed": seed,
        "ban": tuple(ban or ()),
        "pin": tuple(pin or ()),
        "out": out_dir,
    }
    body = run_dir.read_json(run_dir.find(run) / run_dir.REQUEST)
    with watched(trainings or int(body["request"]["trainings"]), quiet=as_json) as progress:
        inputs = Inputs(progress=progress, note=lambda line: say(line, console))
        report = door(run, generation, changes, inputs)
    told = run_dir.read_json(report.out / FIGURES)
    if as_json:
        print_json(report.model_dump(mode="json") | {"fork": told})
        return
    show(report)
    for name, curve in told["curves"].items():
        say(f"{name}: claimed hypervolume {curve[-1][1]:.4f} after {curve[-1][0]} trainings")
    say(f"both curves: {report.out / PICTURE}")
