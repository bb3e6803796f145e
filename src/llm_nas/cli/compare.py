"""`llm-nas compare`: methods against each other on the same footing."""

from pathlib import Path
from typing import Annotated, Any

import typer

from llm_nas.errors import RequestError

ALL_METHODS = (
    "offline,random,niche-random,nsga2,niche-nsga2,regularized-evolution,local-search,best-of-n"
)
WIDTH = 122
"""Columns the table needs; a narrower output wraps lines, not words."""


def compare(
    methods: Annotated[
        str, typer.Option(help="Comma-separated; the first one is the reference of the tests.")
    ] = ALL_METHODS,
    contexts: Annotated[str, typer.Option(help="all, or DATASET:DEVICE,...")] = "all",
    budget: Annotated[int, typer.Option(min=1, help="Cells whose accuracy may be asked.")] = 120,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 10,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    engine: Annotated[str, typer.Option(help="processes, or ray (if installed).")] = "processes",
    out: Annotated[Path, typer.Option(help="Directory of rows; resumed if it has some.")] = Path(
        "comparisons/default"
    ),
    labels: Annotated[int, typer.Option(help="Labelled cells the predictor learns from.")] = 1000,
    generations: Annotated[int, typer.Option(min=1, help="Of the system's own search.")] = 10,
    partition: Annotated[str, typer.Option(help="Niches of the methods that use them.")] = (
        "conv3x3"
    ),
    data_dir: Annotated[Path | None, typer.Option(help="Directory of benchmark tables.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print rows and summary as JSON.")] = False,
) -> None:
    """Compare methods on the same contexts, seeds, predictor and budget."""
    from rich.console import Console

    from llm_nas.cli.output import out as stdout
    from llm_nas.cli.output import print_json
    from llm_nas.experiments.compare import Plan
    from llm_nas.experiments.results import finish, run_with_progress
    from llm_nas.experiments.setting import benchmark_in, parse_contexts
    from llm_nas.experiments.summary import summary_table

    devices = benchmark_in(data_dir).devices()
    plan = Plan(
        methods=split_names(methods),
        contexts=parse_contexts(contexts, devices),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        budget=budget,
        labels=labels,
        generations=generations,
        partition=partition,
        data_dir=data_dir,
    )
    records = run_with_progress(plan, out, jobs, engine)
    summaries = finish(plan, records, out)
    if json:
        print_json(json_document([r.row for r in records], summaries))
        return
    title = f"{plan.budget} evaluations, {len(plan.seeds)} seeds"
    Console(width=max(WIDTH, stdout.width)).print(summary_table(summaries, title))
    stdout.print(f"rows, summary and plots: {out}")


def split_names(text: str) -> tuple[str, ...]:
    """Different names from a comma-separated list.

    Raises:
        RequestError: If there is none.
    """
    names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if not names:
        raise RequestError("--methods: empty; name at least one method")
    return names


def json_document(rows: Any, summaries: Any) -> dict[str, Any]:
    """`{rows, summary}` of plain values."""
    return {
        "rows": [row.model_dump(mode="json") for row in rows],
        "summary": [summary.model_dump(mode="json") for summary in summaries],
    }
