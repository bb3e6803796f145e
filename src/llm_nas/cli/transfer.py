"""`llm-nas transfer`: does a memory learned somewhere help somewhere else?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.errors import RequestError

if TYPE_CHECKING:
    from rich.table import Table

    from llm_nas.experiments.transfer import TransferPlan, TransferRow
    from llm_nas.experiments.transfer_report import MatrixReport

OVER = {"devices": ("devices",), "datasets": ("datasets",), "both": ("devices", "datasets")}
PICTURE_FILE = "transfer.png"
SUMMARY_FILE = "summary.json"


def transfer(
    over: Annotated[str, typer.Option(help="Matrices: devices, datasets or both.")] = "both",
    budget: Annotated[int, typer.Option(min=4, help="Evaluations of a target's search.")] = 60,
    seeds: Annotated[int, typer.Option(min=1, help="Searches per pair, warm and cold.")] = 5,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    source_budget: Annotated[
        int, typer.Option(min=12, help="Evaluations of the search that fills a store.")
    ] = 120,
    dataset: Annotated[str, typer.Option(help="Dataset of the device matrix.")] = "cifar10",
    device: Annotated[str, typer.Option(help="Device of the dataset matrix.")] = "edgegpu",
    devices: Annotated[str, typer.Option(help="all, or a list.")] = "all",
    datasets: Annotated[str, typer.Option(help="all, or a list.")] = "all",
    labels: Annotated[int, typer.Option(help="Labelled cells the predictor learns from.")] = 1000,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Annotated[Path, typer.Option(help="Directory of rows; resumed if it has some.")] = Path(
        "comparisons/transfer"
    ),
    data_dir: Annotated[Path | None, typer.Option(help="Directory of benchmark tables.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print matrices and rows as JSON.")] = (
        False
    ),
) -> None:
    """Learn in one place, search another: what a store is worth.

    A gain is the hypervolume with the store minus that without.
    """
    from llm_nas.cli.output import out as stdout
    from llm_nas.cli.output import print_json, say
    from llm_nas.experiments.transfer import TransferPlan, dataset_matrix, device_matrix
    from llm_nas.experiments.transfer_report import heat_map, report_on
    from llm_nas.graph.rundir import write_json

    if over not in OVER:
        raise RequestError(f"--over {over!r}: expected one of {', '.join(OVER)}")
    made = {
        "devices": lambda: device_matrix(dataset, devices, data_dir),
        "datasets": lambda: dataset_matrix(device, datasets, data_dir),
    }
    plan = TransferPlan(
        matrices=tuple(made[name]() for name in OVER[over]),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        budget=budget,
        source_budget=source_budget,
        labels=labels,
        data_dir=data_dir,
    )
    rows = _with_progress(plan, out, jobs)
    reports = [report_on(matrix, rows, plan.seeds) for matrix in plan.matrices]
    heat_map(reports, out / PICTURE_FILE)
    document = {"matrices": [report.model_dump(mode="json") for report in reports]}
    write_json(out / SUMMARY_FILE, document)
    if as_json:
        print_json({**document, "rows": [row.model_dump(mode="json") for row in rows]})
        return
    for report in reports:
        stdout.print(_table(report, budget))
        say(_summary(report))
    say(f"rows, summary and picture: {out}")


def _with_progress(plan: "TransferPlan", out: Path, jobs: int) -> "list[TransferRow]":
    """Make the experiment with a progress bar on stderr."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from llm_nas.cli.output import console
    from llm_nas.experiments.transfer import transfer as measure

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("searches", total=None)
        return measure(
            plan,
            out,
            jobs,
            lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )


def _summary(report: "MatrixReport") -> str:
    dropped = sum(gain.dropped for gain in report.gains)
    return (
        f"mean {report.mean.mean:+.4f} [{report.mean.low:+.4f}, {report.mean.high:+.4f}], "
        f"worst pair {report.worst:+.4f}, {len(report.gains)} pairs, {report.seeds} seeds; "
        f"source dropped in {dropped} of {len(report.gains) * report.seeds} searches"
    )


def _table(report: "MatrixReport", budget: int) -> "Table":
    """Rows: where the store was learned; columns: where it was used."""
    from rich.table import Table

    names = list(dict.fromkeys(gain.source for gain in report.gains))
    cells = {(gain.source, gain.target): gain for gain in report.gains}
    table = Table(title=f"{report.name}: hv with a store minus cold, {budget} evaluations")
    table.add_column("learned on \\ used on")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for source in names:
        row = [cells.get((source, target)) for target in names]
        table.add_row(
            source,
            *(
                "-"
                if cell is None
                else f"{cell.gain.mean:+.4f}\n[{cell.gain.low:+.3f}, {cell.gain.high:+.3f}]"
                for cell in row
            ),
        )
    cold = {gain.target: gain.cold_hv for gain in report.gains}
    table.add_row("cold hv", *(f"{cold[name]:.4f}" for name in names))
    return table
