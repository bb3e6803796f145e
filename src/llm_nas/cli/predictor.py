"""`llm-nas predictor`: how far the accuracy predictor can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli.output import out, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from llm_nas.tools.predictor_check import Validation

app = typer.Typer(no_args_is_help=True)


@app.callback()
def predictor() -> None:
    """Check the accuracy predictor against test accuracy."""


@app.command()
def validate(
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100 or ImageNet16-120.")] = "cifar10",
    labels: Annotated[int, typer.Option(help="Number of labelled cells.")] = 1000,
    seed: Annotated[int, typer.Option(help="Draws the labelled cells.")] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of tables.")] = None,
    features: Annotated[
        str, typer.Option(help="proxies, or proxies+structure.")
    ] = "proxies+structure",
    model: Annotated[str, typer.Option(help="trees, or trees+gp.")] = "trees+gp",
    labels_by: Annotated[
        str,
        typer.Option(
            help="uniform, balanced, niches, front, or design (niches, front: below 300 labels)."
        ),
    ] = "front",
    twins: Annotated[bool, typer.Option(help="Take missing proxies from the twin.")] = True,
    transfer: Annotated[
        bool, typer.Option(help="Borrow unpublished proxies from another data set.")
    ] = True,
    own: Annotated[
        bool, typer.Option("--own-proxies", help="Measured by this project before borrowed ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Print rank correlations on cells the predictor never saw.

    They are those with test accuracy.
    """
    from llm_nas.evaluation.truth import open_context
    from llm_nas.tools.data import open_benchmark
    from llm_nas.tools.partition import make_partition
    from llm_nas.tools.predictor import parse_options, train_predictor
    from llm_nas.tools.predictor_check import validate as check
    from llm_nas.tools.space import nas_bench_201

    benchmark = open_benchmark(data_dir)
    options = parse_options(features, model, labels_by, twins, transfer, own)
    trained = train_predictor(benchmark, dataset, labels, seed, options=options)
    latency_ms = benchmark.latency_ms(dataset, benchmark.devices()[0])
    truth = open_context(benchmark, dataset, latency_ms).test_accuracy_pct
    result = check(trained, truth, make_partition(nas_bench_201()))
    if as_json:
        print_json(result)
    else:
        out.print(_table(result, f"{dataset}, {benchmark.source}"))


def _table(result: "Validation", title: str) -> "Table":
    from rich.table import Table

    table = Table(title=f"{title}: {result['labels']} labels, seed {result['seed']}")
    for column in ("cells", "Spearman", "Kendall", "count"):
        table.add_column(column, justify="left" if column == "cells" else "right")
    rows = {"held-out 100": result["holdout100"], "all unlabelled": result["all"]}
    for name, row in (rows | result["niches"]).items():
        figures = [row["spearman"], row["kendall"]]
        shown = ["-" if value is None else f"{value:.3f}" for value in figures]
        table.add_row(name, *shown, str(row["cells"]))
    missing = ", ".join(f"{k} ({n})" for k, n in result["proxies_missing"].items())
    lent = ", ".join(f"{k} ({donor})" for k, donor in result["proxies_from"].items())
    borrowed = f"\nproxies from elsewhere: {lent}" if lent else ""
    table.caption = (
        f"{result['predictor']}\nproxies missing (cells): {missing or 'none'}{borrowed}"
    )
    return table
