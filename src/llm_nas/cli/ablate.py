"""`llm-nas ablate`: the system with one part removed at a time, per device."""

from pathlib import Path
from typing import Annotated

import typer


def ablate(
    without: Annotated[
        str, typer.Option(help="Comma-separated ablations; all of them by default.")
    ] = "all",
    contexts: Annotated[str, typer.Option(help="all, or DATASET:DEVICE,...")] = "cifar10:all",
    budget: Annotated[int, typer.Option(min=1, help="Cells whose accuracy may be asked.")] = 120,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 10,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    engine: Annotated[str, typer.Option(help="processes, or ray (if installed).")] = "processes",
    out: Annotated[Path, typer.Option(help="Directory of rows; resumed if it has some.")] = Path(
        "comparisons/ablation"
    ),
    labels: Annotated[int, typer.Option(help="Labelled cells the predictor learns from.")] = 1000,
    generations: Annotated[int, typer.Option(min=1, help="Generations of a search.")] = 10,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of benchmark tables.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print rows and summary as JSON.")] = False,
) -> None:
    """Compare the offline system with itself, one part removed or replaced at a time."""
    from rich.console import Console

    from llm_nas.cli.compare import WIDTH, json_document
    from llm_nas.cli.output import out as stdout
    from llm_nas.cli.output import print_json
    from llm_nas.experiments.ablate import ablation_plan, device_table, legend
    from llm_nas.experiments.results import finish, run_with_progress
    from llm_nas.experiments.setting import benchmark_in, parse_contexts
    from llm_nas.experiments.summary import per_context, summary_table

    plan = ablation_plan(
        without,
        contexts=parse_contexts(contexts, benchmark_in(data_dir).devices()),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        budget=budget,
        labels=labels,
        generations=generations,
        data_dir=data_dir,
    )
    records = run_with_progress(plan, out, jobs, engine)
    summaries = finish(plan, records, out)
    rows = [record.row for record in records]
    if json:
        print_json(json_document(rows, summaries))
        return
    wide = Console(width=max(WIDTH, stdout.width))
    wide.print(summary_table(summaries, f"{plan.budget} evaluations, {len(plan.seeds)} seeds"))
    wide.print(device_table(per_context(rows, plan.methods), plan.methods))
    for line in legend(plan.methods):
        wide.print(line, highlight=False)
    stdout.print(f"rows, summary and plots: {out}")
