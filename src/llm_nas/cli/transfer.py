"""`llm-nas transfer`: does a memory learned somewhere help somewhere else?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from llm_nas.experiments.transfer import TransferReport


def transfer(
    budget: Annotated[int, typer.Option(min=4, help="Evaluations of a target's search.")] = 60,
    seeds: Annotated[int, typer.Option(min=1, help="Searches per pair, warm and cold.")] = 5,
    source_budget: Annotated[
        int, typer.Option(min=12, help="Evaluations of the search that fills a store.")
    ] = 120,
    dataset: Annotated[str, typer.Option(help="Dataset of the device matrix.")] = "cifar10",
    device: Annotated[str, typer.Option(help="Device of the dataset matrix.")] = "edgegpu",
    devices: Annotated[str, typer.Option(help="all, or a list; empty: no matrix.")] = "all",
    datasets: Annotated[str, typer.Option(help="all, or a list; empty: no matrix.")] = "all",
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of benchmark tables.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print both matrices as JSON.")] = False,
) -> None:
    """Learn in one place, search another: hypervolume with the store minus without."""
    from llm_nas.cli.output import console, out, print_json
    from llm_nas.experiments.transfer import dataset_places, device_places
    from llm_nas.experiments.transfer import transfer as measure

    reports: dict[str, TransferReport] = {}
    wanted = {
        "devices": device_places(dataset, devices, data_dir),
        "datasets": dataset_places(device, datasets, data_dir),
    }
    for name, places in wanted.items():
        if places:
            reports[name] = measure(
                places,
                budget=budget,
                seeds=seeds,
                source_budget=source_budget,
                jobs=jobs,
                data_dir=data_dir,
                progress=lambda line: console.print(line, highlight=False),
            )
    if json:
        print_json({name: report.model_dump(mode="json") for name, report in reports.items()})
        return
    for report in reports.values():
        out.print(_matrix(report))
        out.print(
            f"mean {report.mean_gain:+.4f} [{report.low:+.4f}, {report.high:+.4f}], "
            f"worst pair {report.worst:+.4f}, {len(report.gains)} pairs, {report.seeds} seeds",
            highlight=False,
        )


def _matrix(report: "TransferReport") -> "Table":
    """Rows: where the store was learned; columns: where it was used."""
    from rich.table import Table

    names = list(dict.fromkeys(gain.target for gain in report.gains))
    cells = {(gain.source, gain.target): gain for gain in report.gains}
    table = Table(title=f"hv with a store minus cold, {report.budget} evaluations")
    table.add_column("learned on \\ used on")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for source in names:
        row = [cells.get((source, target)) for target in names]
        table.add_row(
            source,
            *(
                "-" if gain is None else f"{gain.gain:+.4f}\n[{gain.low:+.3f}, {gain.high:+.3f}]"
                for gain in row
            ),
        )
    cold = {gain.target: gain.cold_hv for gain in report.gains}
    table.add_row("cold hv", *(f"{cold[name]:.4f}" for name in names))
    return table
