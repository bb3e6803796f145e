"""`llm-nas search`: networks for a task and a device."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_nas.cli.output import console, print_json, say, yes_or_no

if TYPE_CHECKING:
    from llm_nas.domain import SearchRequest

_MODEL_OPTIONS = (
    "analyst_model",
    "designer_model",
    "base_url",
    "max_usd",
    "max_tokens",
    "max_calls",
    "max_seconds",
    "when_spent",
    "record",
    "replay",
    "concurrency",
    "temperature",
    "timeout",
)


def search(
    ctx: typer.Context,
    space: Annotated[
        str | None,
        typer.Option(
            help="family of networks: a name, FILE.toml, FILE.py[:NAME], module:NAME or "
            "around:FILE.py:NAME; default: the task's or device's own, else mobile"
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="what networks are trained for: a name, a folder of images, FILE.npz, "
            "series:FILE.csv, FILE.csv of trained networks or module:NAME; default: digits"
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="where latency counts: host (this computer), a name, NAME=FILE.csv, "
            "NAME=cmd:COMMAND, NAME=ssh://USER@HOST or module:NAME; default: the space's first"
        ),
    ] = None,
    trainings: Annotated[int, typer.Option(help="how many networks may be trained")] = 60,
    hours: Annotated[
        float | None, typer.Option(help="plan nothing more after so many hours")
    ] = None,
    opening: Annotated[int, typer.Option(help="networks of the first generation")] = 12,
    batch: Annotated[int, typer.Option(help="networks of each later generation")] = 6,
    seed: Annotated[int, typer.Option(help="equal seeds give equal fronts")] = 0,
    model: Annotated[
        str,
        typer.Option(
            help="language model: offline (none), PROVIDER:NAME, NAME with --base-url, manual:DIR"
        ),
    ] = "offline",
    designer: Annotated[
        str | None,
        typer.Option(help="who proposes instead: an entry point, module:NAME or FILE.py:NAME"),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="address of an OpenAI-compatible server")
    ] = None,
    open_: Annotated[
        str | None, typer.Option("--open", help="who opens: model, zero-cost or random")
    ] = None,
    model_share: Annotated[
        float, typer.Option(help="largest share of a batch that the model proposes")
    ] = 0.3,
    blind: Annotated[
        bool,
        typer.Option(help="hide all names from the model, so that it cannot recall a benchmark"),
    ] = False,
    accuracy: Annotated[
        str, typer.Option(help="trained, or predicted from --labels (protocol 1)")
    ] = "trained",
    labels: Annotated[int, typer.Option(help="labels of --accuracy predicted")] = 1000,
    max_latency_ms: Annotated[
        float | None, typer.Option(help="no slower network is trained")
    ] = None,
    max_params_m: Annotated[float | None, typer.Option(help="most parameters, millions")] = None,
    max_macs_m: Annotated[float | None, typer.Option(help="most multiply-adds, millions")] = None,
    max_file_mb: Annotated[float | None, typer.Option(help="largest exported file, MB")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="epochs of one training; default: the task's")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="of timed and exported networks: fp32 or int8")
    ] = "fp32",
    baselines: Annotated[
        int | None, typer.Option(help="small known networks to train beside (real tasks)")
    ] = None,
    workers: Annotated[int, typer.Option(help="trainings at the same time")] = 1,
    engine: Annotated[str, typer.Option(help="local; ray is refused")] = "local",
    approve: Annotated[
        bool, typer.Option(help="ask before long, dear or hopeless trainings")
    ] = False,
    partition: Annotated[
        str | None,
        typer.Option(
            help="how niches are cut: none, random, quantiles:QUANTITY[:K], count:GROUP=VALUE; "
            "default: the space's own"
        ),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="claims and trainings to start from and add to")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="folder of the run; default: runs/ID")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder of public tables")] = None,
    resume: Annotated[
        str | None, typer.Option(help="go on with this run: its folder or id")
    ] = None,
    analyst_model: Annotated[
        str | None, typer.Option(help="model of the Analyst; default: --model")
    ] = None,
    designer_model: Annotated[
        str | None, typer.Option(help="model of the Designer; default: --model")
    ] = None,
    max_usd: Annotated[float | None, typer.Option(help="cap on money for models")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="cap on tokens, in and out")] = None,
    max_calls: Annotated[int | None, typer.Option(help="cap on model calls")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="cap on time for models")] = None,
    when_spent: Annotated[str, typer.Option(help="at a cap: stop or offline")] = "stop",
    record: Annotated[Path | None, typer.Option(help="keep requests and answers here")] = None,
    replay: Annotated[Path | None, typer.Option(help="answer from a record, no network")] = None,
    concurrency: Annotated[int, typer.Option(help="model calls at the same time")] = 12,
    temperature: Annotated[float | None, typer.Option(help="of the model")] = 0.7,
    timeout: Annotated[float, typer.Option(help="seconds to wait for an answer")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="only the result, as JSON")] = False,
) -> None:
    """Find networks that are accurate and fast: a family, a task and a device in, a front out."""
    given = dict(ctx.params)
    asked = {name: given[name] for name in _MODEL_OPTIONS}
    asked["timeout_s"] = asked.pop("timeout")
    if resume is not None:
        _resume(resume, _typed(ctx, asked), as_json=as_json)
        return
    fields = {"open_": "open", "out_dir": "out"}
    body = {fields.get(name, name): value for name, value in given.items()}
    _start(_request_of(body), asked, as_json=as_json)


def _request_of(body: Mapping[str, Any]) -> "SearchRequest":
    from llm_nas.domain import SearchRequest

    return SearchRequest(**{k: v for k, v in body.items() if k in SearchRequest.model_fields})


def _start(request: "SearchRequest", asked: Mapping[str, Any], *, as_json: bool) -> None:
    """Write the request before anything slow is imported, so that any kill can be resumed."""
    from llm_nas.agents.chat.options import ModelOptions
    from llm_nas.graph.record import run_dir
    from llm_nas.tools.contexts import resolve

    resolve(request.space, request.task, request.device)
    options = ModelOptions.model_validate(asked)
    run, folder = run_dir.create(request, options.model_dump(mode="json"))
    from llm_nas.cli.progress import watched
    from llm_nas.cli.result import show
    from llm_nas.graph import search as door
    from llm_nas.graph.run import Inputs

    with watched(request.trainings, quiet=as_json) as progress:
        inputs = Inputs(options=options, progress=progress, note=_note, answer=yes_or_no)
        report = door.start(run, folder, request, inputs)
    print_json(report) if as_json else show(report)


def _resume(run: str, changes: Mapping[str, Any], *, as_json: bool) -> None:
    from llm_nas.cli.progress import watched
    from llm_nas.cli.result import show
    from llm_nas.graph import search as door
    from llm_nas.graph.record import run_dir
    from llm_nas.graph.run import Inputs

    body = run_dir.read_json(run_dir.find(run) / run_dir.REQUEST)
    with watched(int(body["request"]["trainings"]), quiet=as_json) as progress:
        report = door.resume(run, Inputs(progress=progress, note=_note, answer=yes_or_no), changes)
    print_json(report) if as_json else show(report)


def _typed(ctx: typer.Context, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the command line says itself: a resumed run keeps everything else."""

    def typed(name: str) -> bool:
        source = ctx.get_parameter_source(name.removesuffix("_s"))
        return source is not None and source.name == "COMMANDLINE"

    return {name: value for name, value in asked.items() if typed(name)}


def _note(line: str) -> None:
    say(line, console)
