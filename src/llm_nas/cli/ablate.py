"""`llm-nas ablate`: the offline system with one part taken out at a time."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli import options

if TYPE_CHECKING:
    from llm_nas.experiments.rows import Record


def ablate(
    without: Annotated[
        str, typer.Option(help="all, or a list such as advisor,opening,partition.")
    ] = "all",
    contexts: options.Contexts = options.DEFAULT_CONTEXTS,
    trainings: options.Trainings = 60,
    seeds: options.Seeds = 10,
    first_seed: options.FirstSeed = 0,
    jobs: options.Jobs = 1,
    engine: options.EngineName = "processes",
    out: options.Out = None,
    accuracy: options.Accuracy = "trained",
    labels: options.Labels = 1000,
    data_dir: options.DataDir = None,
    json: options.AsJson = False,
) -> None:
    """Compare the offline system with itself without some part."""
    from llm_nas.experiments.ablate import ablation_methods, differences, legend
    from llm_nas.experiments.summary import per_context, summarise

    plan = options.make_plan(
        ablation_methods(without),
        contexts,
        seeds,
        first_seed,
        trainings=trainings,
        accuracy=accuracy,
        labels=labels,
        data_dir=data_dir,
    )

    def more(records: "Sequence[Record]") -> Iterator[str]:
        yield ""
        summaries = summarise(records, plan.methods)
        yield from differences(summaries, per_context(records, plan.methods))
        yield ""
        yield from legend(plan.methods)

    options.run_plan(plan, out, jobs, engine, as_json=json, more=more)
