"""`llm-nas predictor`: how far the accuracy predictor can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli.output import out, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from llm_nas.evaluation.predictor import Validation

app = typer.Typer(no_args_is_help=True)


@app.callback()
def predictor() -> None:
    """Check the accuracy predictor of `--accuracy predicted` against test accuracy."""


@app.command()
def validate(
    task: Annotated[str, typer.Option(help="What the labelled networks were trained for.")],
    space: Annotated[
        str | None, typer.Option(help="A family of networks; the task's own.")
    ] = None,
    labels: Annotated[int, typer.Option(help="Number of labelled networks.")] = 1000,
    seed: Annotated[int, typer.Option(help="Draws the labelled networks.")] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of tables.")] = None,
    features: Annotated[
        str, typer.Option(help="proxies, or proxies+structure.")
    ] = "proxies+structure",
    model: Annotated[str, typer.Option(help="trees, or trees+gp.")] = "trees+gp",
    labels_by: Annotated[
        str,
        typer.Option(help="uniform, niches, front, or design (niches, front: below 300 labels)."),
    ] = "front",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Print rank correlations with test accuracy, on networks the predictor never saw."""
    from llm_nas.evaluation.predictor import validate_predictor
    from llm_nas.tools.accuracy.predictor import PredictorOptions
    from llm_nas.tools.contexts import resolve

    options = PredictorOptions.parse(features, model, labels_by)
    context = resolve(space, task, "any" if space is not None else None)
    result, source = validate_predictor(context, labels, seed, data_dir=data_dir, options=options)
    if as_json:
        print_json(result)
    else:
        out.print(_table(result, source))


def _table(result: "Validation", source: str) -> "Table":
    from rich.table import Table

    table = Table(title=f"{result['labels']} labels, seed {result['seed']}")
    for column in ("networks", "Spearman", "Kendall", "count"):
        table.add_column(column, justify="left" if column == "networks" else "right")
    rows = {"held-out 100": result["holdout100"], "all unlabelled": result["all"]}
    for name, row in (rows | result["niches"]).items():
        figures = [row["spearman"], row["kendall"]]
        shown = ["-" if value is None else f"{value:.3f}" for value in figures]
        table.add_row(name, *shown, str(row["cells"]))
    missing = ", ".join(f"{k} ({n})" for k, n in result["proxies_missing"].items())
    lent = ", ".join(f"{k} ({donor})" for k, donor in result["proxies_from"].items())
    borrowed = f"\nproxies from elsewhere: {lent}" if lent else ""
    table.caption = f"{source}\nproxies missing (networks): {missing or 'none'}{borrowed}"
    return table
