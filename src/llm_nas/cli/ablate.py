"""`llm-nas ablate`: the system with one part removed at a time, per device."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli import options
from llm_nas.cli.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from llm_nas.experiments.rows import Row


def ablate(
    without: Annotated[
        str,
        typer.Option(
            help="all, parts, partitions (of the whole system and of operators alone), or a "
            "comma-separated list of ablations, each also as NAME@PARTITION."
        ),
    ] = "all",
    contexts: options.Contexts = "cifar10:all",
    budget: options.Budget = 120,
    seeds: options.Seeds = 5,
    first_seed: options.FirstSeed = 0,
    jobs: options.Jobs = 1,
    engine: options.EngineName = "processes",
    out: options.Out = Path("comparisons/ablation"),
    labels: options.Labels = 1000,
    generations: options.Generations = 10,
    data_dir: options.DataDir = None,
    json: options.AsJson = False,
) -> None:
    """Compare the offline system with itself without some part.

    One part is removed or replaced at a time.
    """
    from llm_nas.experiments.ablate import ablation_methods, device_table, legend
    from llm_nas.experiments.compare import Plan
    from llm_nas.experiments.setting import benchmark_in, parse_contexts
    from llm_nas.experiments.summary import per_context

    plan = Plan(
        methods=ablation_methods(without),
        contexts=parse_contexts(contexts, benchmark_in(data_dir).devices()),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        budget=budget,
        labels=labels,
        generations=generations,
        data_dir=data_dir,
    )

    def more(console: "Console", rows: "Sequence[Row]") -> None:
        console.print(device_table(per_context(rows, plan.methods), plan.methods))
        for line in legend(plan.methods):
            say(line, console)

    options.run_plan(plan, out, jobs, engine, as_json=json, more=more)
