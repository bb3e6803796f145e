"""`llm-nas compare`: methods against each other on the same footing."""

from typing import Annotated

import typer

from llm_nas.cli import options

METHODS = (
    "offline,random,niche-random,nsga2,niche-nsga2,regularized-evolution,local-search,"
    "optuna-tpe,zc-nsga2"
)


def compare(
    methods: Annotated[
        str,
        typer.Option(
            help="Comma-separated; the first one is the reference of the tests. Also optuna-gp, "
            "zc-optuna-gp, model:NAME, sample:NAME, alone:NAME and ablations."
        ),
    ] = METHODS,
    contexts: options.Contexts = options.DEFAULT_CONTEXTS,
    trainings: options.Trainings = 60,
    seeds: options.Seeds = 10,
    first_seed: options.FirstSeed = 0,
    jobs: options.Jobs = 1,
    engine: options.EngineName = "processes",
    out: options.Out = None,
    accuracy: options.Accuracy = "trained",
    labels: options.Labels = 1000,
    opening: options.Opening = 12,
    batch: options.Batch = 6,
    partition: options.PartitionName = None,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server of model:NAME.")
    ] = None,
    data_dir: options.DataDir = None,
    json: options.AsJson = False,
) -> None:
    """Compare methods under equal contexts, seeds, noise and budget."""
    plan = options.make_plan(
        options.split_names(methods, "--methods"),
        contexts,
        seeds,
        first_seed,
        trainings=trainings,
        accuracy=accuracy,
        labels=labels,
        opening=opening,
        batch=batch,
        partition=partition,
        base_url=base_url,
        data_dir=data_dir,
    )
    options.run_plan(plan, out, jobs, engine, as_json=json, more=lambda records: ())
