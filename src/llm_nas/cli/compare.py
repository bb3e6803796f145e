"""`llm-nas compare`: methods against each other on the same footing."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli import options
from llm_nas.cli.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from llm_nas.experiments.rows import Row

ALL_METHODS = (
    "offline,random,niche-random,nsga2,niche-nsga2,regularized-evolution,local-search,best-of-n"
)


def compare(
    methods: Annotated[
        str, typer.Option(help="Comma-separated; the first one is the reference of the tests.")
    ] = ALL_METHODS,
    contexts: options.Contexts = "all",
    budget: options.Budget = 120,
    seeds: options.Seeds = 10,
    first_seed: options.FirstSeed = 0,
    jobs: options.Jobs = 1,
    engine: options.EngineName = "processes",
    out: options.Out = Path("comparisons/default"),
    labels: options.Labels = 1000,
    generations: options.Generations = 10,
    partition: options.Partitions = "conv3x3",
    data_dir: options.DataDir = None,
    json: options.AsJson = False,
) -> None:
    """Compare methods under equal contexts, seeds and budget."""
    from llm_nas.experiments.compare import Plan
    from llm_nas.experiments.methods import in_partitions
    from llm_nas.experiments.partitions import describe
    from llm_nas.experiments.setting import benchmark_in, parse_contexts

    names = options.split_names(partition, "--partition")
    plan = Plan(
        methods=in_partitions(options.split_names(methods, "--methods"), names),
        contexts=parse_contexts(contexts, benchmark_in(data_dir).devices()),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        budget=budget,
        labels=labels,
        generations=generations,
        partition=names[0],
        data_dir=data_dir,
    )

    def more(console: "Console", rows: "Sequence[Row]") -> None:
        del rows
        for line in describe(plan, names) if len(names) > 1 else ():
            say(line, console)

    options.run_plan(plan, out, jobs, engine, as_json=json, more=more)
