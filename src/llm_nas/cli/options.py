"""Options that comparisons and ablations share, and what both print at their end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from llm_nas.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from llm_nas.experiments.compare import Plan
    from llm_nas.experiments.rows import Row

WIDTH = 122
"""Columns the table needs; a narrower output wraps lines, not words."""
JSON_FIELDS = (
    "method",
    "dataset",
    "device",
    "seed",
    "evaluations",
    "hv",
    "hv_at_k",
    "igd_plus",
    "unit_hv",
    "seconds",
)
"""Fields of a row in `--json`; the CSV has all."""

Contexts: TypeAlias = Annotated[
    str, typer.Option(help="all, or DATASET:DEVICE,... with a known device or NAME=FILE.csv")
]
Budget: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Cells whose accuracy may be asked for.")
]
Seeds: TypeAlias = Annotated[int, typer.Option(min=1, help="Number of seeds.")]
FirstSeed: TypeAlias = Annotated[int, typer.Option(min=0, help="The first of them.")]
Jobs: TypeAlias = Annotated[int, typer.Option(min=1, help="Processes.")]
EngineName: TypeAlias = Annotated[str, typer.Option(help="processes, or ray (if installed).")]
Out: TypeAlias = Annotated[Path, typer.Option(help="Directory of rows; resumed if it has some.")]
Labels: TypeAlias = Annotated[int, typer.Option(help="Labelled cells the predictor learns from.")]
Generations: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Generations of the system's search.")
]
Partitions: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Niches: conv3x3, auto[:K], none, random, count:OP, latency:K, flops:K, params:K; "
        "of a list, every method that uses niches runs with each."
    ),
]
DataDir: TypeAlias = Annotated[Path | None, typer.Option(help="Directory of benchmark tables.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print rows and summary as JSON.")]


def split_names(text: str, option: str) -> tuple[str, ...]:
    """Different names from a comma-separated list.

    Raises:
        RequestError: If there is none.
    """
    names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if not names:
        raise RequestError(f"{option}: empty; name at least one")
    return names


def run_plan(
    plan: "Plan",
    out: Path,
    jobs: int,
    engine: str,
    *,
    as_json: bool,
    more: "Callable[[Console, Sequence[Row]], None]",
) -> None:
    """Run what is missing of a plan, leave its files and print its tables, `more` last."""
    from rich.console import Console

    from llm_nas.cli.output import out as stdout
    from llm_nas.cli.output import print_json, say
    from llm_nas.experiments.results import finish, run_with_progress
    from llm_nas.experiments.setting import unfrozen
    from llm_nas.experiments.summary import summary_table, time_line

    records = run_with_progress(plan, out, jobs, engine)
    summaries = finish(plan, records, out)
    rows = [record.row for record in records]
    if as_json:
        print_json(json_document(rows, summaries))
        return
    wide = Console(width=max(WIDTH, stdout.width))
    title = f"{plan.budget} evaluations, {len(plan.seeds)} seeds"
    wide.print(summary_table(summaries, title))
    for line in unfrozen(plan.contexts, plan.data_dir):
        say(line, wide)
    more(wide, rows)
    say(time_line(rows))
    say(f"rows, summary and plots: {out}")


def json_document(rows: Any, summaries: Any) -> dict[str, Any]:
    """`{rows, summary}` of plain values."""
    return {
        "rows": [row.model_dump(mode="json", include=set(JSON_FIELDS)) for row in rows],
        "summary": [summary.model_dump(mode="json") for summary in summaries],
    }
