"""`llm-nas search`: cells for a device."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_nas.cli.output import console, out, print_json, say

if TYPE_CHECKING:
    from llm_nas.domain import Cost, FrontPoint, RoleUsage, SearchReport

_FRONT_ROWS = 30
_AGENTS = {
    "offline": "offline agents (no language model)",
    "graduated": "graduated claims (no language model, no model of accuracy)",
}


def search(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100 or ImageNet16-120")] = "cifar10",
    device: Annotated[str, typer.Option(help="a known device, or NAME=FILE.csv")] = "edgegpu",
    budget: Annotated[int, typer.Option(help="unique cells whose accuracy is asked for")] = 120,
    generations: Annotated[int, typer.Option(help="rounds the budget is spread over")] = 10,
    seed: Annotated[int, typer.Option(help="equal seeds give equal fronts")] = 0,
    model: Annotated[
        str, typer.Option(help="offline, graduated (trusted claims of --store), or PROVIDER:NAME")
    ] = "offline",
    base_url: Annotated[str | None, typer.Option(help="an OpenAI-compatible server")] = None,
    store: Annotated[Path | None, typer.Option(help="heuristics to start from and add to")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="default runs/<id>")] = None,
    labels: Annotated[int, typer.Option(help="labelled cells the predictor learns from")] = 1000,
    partition: Annotated[
        str,
        typer.Option(
            help="conv3x3, auto[:K], none, random, count:OP, latency:K, flops:K, params:K"
        ),
    ] = "conv3x3",
    data_dir: Annotated[Path | None, typer.Option(help="folder of benchmark tables")] = None,
    resume: Annotated[str | None, typer.Option(help="go on with this run")] = None,
    analyst_model: Annotated[str | None, typer.Option(help="default: --model")] = None,
    designer_model: Annotated[str | None, typer.Option(help="default: --model")] = None,
    max_usd: Annotated[float | None, typer.Option(help="cap on money for models")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="cap on tokens, in and out")] = None,
    max_calls: Annotated[int | None, typer.Option(help="cap on model calls")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="cap on time for models")] = None,
    when_spent: Annotated[str, typer.Option(help="at a cap: stop or offline")] = "stop",
    record: Annotated[Path | None, typer.Option(help="keep requests and answers here")] = None,
    replay: Annotated[Path | None, typer.Option(help="answer from a record, no network")] = None,
    blind: Annotated[bool, typer.Option(help="hide all names from the model")] = False,
    concurrency: Annotated[int, typer.Option(help="model calls at the same time")] = 12,
    temperature: Annotated[float | None, typer.Option(help="of the model")] = 0.7,
    timeout: Annotated[float, typer.Option(help="seconds to wait for an answer")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="only the result, as JSON")] = False,
) -> None:
    """Search cells that are accurate and fast on a device."""
    from llm_nas.agents.chat_options import ModelOptions
    from llm_nas.domain import SearchRequest
    from llm_nas.graph import search as door
    from llm_nas.graph.context import Inputs

    asked = {
        "analyst_model": analyst_model,
        "designer_model": designer_model,
        "base_url": base_url,
        "max_usd": max_usd,
        "max_tokens": max_tokens,
        "max_calls": max_calls,
        "max_seconds": max_seconds,
        "when_spent": when_spent,
        "record": record,
        "replay": replay,
        "blind": blind,
        "concurrency": concurrency,
        "temperature": temperature,
        "timeout_s": timeout,
    }
    with _progress(generations, budget, quiet=as_json) as progress:
        inputs = Inputs(progress=progress, note=_note)
        if resume is not None:
            report = door.resume(resume, inputs, _given(ctx, asked))
        else:
            inputs = replace(inputs, options=ModelOptions.model_validate(asked))
            request = SearchRequest(
                dataset=dataset,
                device=device,
                budget=budget,
                generations=generations,
                seed=seed,
                model=model,
                base_url=base_url,
                store=store,
                out=out_dir,
                labels=labels,
                partition=partition,
                data_dir=data_dir,
            )
            report = door.search(request, inputs)
    print_json(report) if as_json else show(report)


def _given(ctx: typer.Context, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the command line says itself: a resumed run keeps everything else."""

    def typed(name: str) -> bool:
        source = ctx.get_parameter_source(name.removesuffix("_s"))
        return source is not None and source.name == "COMMANDLINE"

    return {name: value for name, value in asked.items() if typed(name)}


def _note(line: str) -> None:
    say(line, console)


@contextmanager
def _progress(
    generations: int, budget: int, *, quiet: bool
) -> Generator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns: list[Any] = [
        TextColumn("generation {task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("{task.fields[cells]} of {task.fields[budget]} cells"),
        TimeElapsedColumn(),
    ]
    silent = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=silent, transient=True) as bar:
        task = bar.add_task("search", total=generations, cells=0, budget=budget)
        yield lambda done, cells: bar.update(task, completed=done, cells=cells)


def show(report: "SearchReport") -> None:
    """Print a report for people."""
    from rich.table import Table

    request = report.request
    table = Table(
        title=f"{request.dataset} on {request.device}: claimed front", title_justify="left"
    )
    table.add_column("latency ms", justify="right", no_wrap=True)
    table.add_column("predicted % (90 %)", justify="right", no_wrap=True)
    table.add_column("test %", justify="right", no_wrap=True)
    table.add_column("niche", no_wrap=True)
    table.add_column("cell", overflow="fold")
    for point in report.front[:_FRONT_ROWS]:
        table.add_row(
            f"{point.latency_ms:.3f}",
            _predicted(point),
            f"{point.test_accuracy_pct:.2f}",
            point.niche,
            point.arch,
        )
    out.print(table)
    for line in _summary(report):
        say(line)


def _predicted(point: "FrontPoint") -> str:
    held = point.interval_pct
    interval = "" if held is None else f" ({held[0]:.1f}-{held[1]:.1f})"
    return f"{point.predicted_accuracy_pct:.2f}{interval}"


def _sources(report: "SearchReport") -> list[str]:
    """What became of the places the store was filled in."""
    return [
        f"store of {s.source} {'believed' if s.kept else 'dropped'}: {s.reason}"
        for s in report.sources
    ]


def _intervals(report: "SearchReport") -> list[str]:
    """What the intervals in the table are."""
    if report.front[0].interval_pct is None:
        return []
    return [
        "in brackets: 90 % interval of the validation accuracy, which the predictor predicts; "
        f"the {len(report.finalists)} cells most worth a training are `finalists` in result.json"
    ]


def _drift(report: "SearchReport") -> list[str]:
    """The alarm, when it sounds."""
    drift = report.drift
    if drift is None or not drift.alarm:
        return []
    return [
        f"drift alarm: {drift.outside} of {drift.cells} cells lie outside the range the predictor "
        "was trained on; predicted accuracies there are not to be trusted (more --labels help)"
    ]


def _spend(part: "Cost | RoleUsage") -> str:
    usd = "unknown" if part.usd is None else f"{part.usd:.4f}"
    return f"{part.calls} calls, {part.tokens_in}+{part.tokens_out} tokens, {usd} USD"


def _faults(role: "RoleUsage") -> str:
    """What went wrong with a role's calls; nothing when all gave an answer at once."""
    repairs = f", {role.repairs} answers asked for again" if role.repairs else ""
    return repairs + (f", {role.failures} failed ({role.failure})" if role.failures else "")


def _summary(report: "SearchReport") -> list[str]:
    c, p = report.cost, report.proposals
    reached = report.coverage
    agents = _AGENTS.get(report.model, report.model)
    asked = report.cost.roles.items()
    more = len(report.front) - _FRONT_ROWS
    rest = [f"... and {more} more cells of the front in result.json"] if more > 0 else []
    return [
        *rest,
        *_intervals(report),
        f"hv {report.hv:.4f} of the true front (this predictor's ceiling "
        f"{report.hv_ceiling:.4f}; hv@20 {report.hv_at_k:.4f}; optimism {report.optimism:+.4f})",
        f"IGD+ {report.igd_plus:.4f}, IGD {report.igd:.4f}, unit hv {report.unit_hv:.4f}; "
        f"coverage: niches {reached.niches:.0%}, latency deciles {reached.latency_deciles:.0%}",
        f"{report.evaluations} evaluations; proposals: {p.raw} raw, {p.repaired} repaired, "
        f"{p.duplicate} duplicate, {p.novel} novel, {p.rejected} rejected",
        f"agents: {agents}; {_spend(c)}, {c.seconds:.1f} s",
        *(f"  {name}, {role.model}: {_spend(role)}{_faults(role)}" for name, role in asked),
        *_sources(report),
        f"data: {report.data_source}; true front: "
        f"{report.reference.replace(report.data_source, 'these')}",
        f"predictor: {report.predictor}",
        *_drift(report),
        f"{report.latency_missing} cells without a latency on this device are skipped",
        f"run {report.out}",
    ]
