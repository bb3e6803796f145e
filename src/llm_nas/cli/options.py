"""Options that comparisons and ablations share, and what both do with a plan."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from llm_nas.errors import RequestError
from llm_nas.tools.registry import default, groups

if TYPE_CHECKING:
    from llm_nas.experiments.compare import Plan
    from llm_nas.experiments.rows import Record

DEFAULT_CONTEXTS, BIAS_CONTEXT = default("compare"), default("bias")
GROUPS = ", ".join(groups())

Contexts: TypeAlias = Annotated[
    str, typer.Option(help=f"SPACE/TASK/DEVICE,...; {GROUPS}: the protocol's.")
]
Trainings: TypeAlias = Annotated[int, typer.Option(min=1, help="Trainings of every run.")]
Seeds: TypeAlias = Annotated[int, typer.Option(min=1, help="Number of seeds.")]
FirstSeed: TypeAlias = Annotated[int, typer.Option(min=0, help="The first of them.")]
Jobs: TypeAlias = Annotated[int, typer.Option(min=1, help="Processes.")]
EngineName: TypeAlias = Annotated[str, typer.Option(help="processes, or ray (if installed).")]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Directory of rows, tables and picture; resumed if it has some."),
]
Accuracy: TypeAlias = Annotated[
    str, typer.Option(help="trained, or predicted: protocol 1, for comparison with the paper.")
]
Labels: TypeAlias = Annotated[int, typer.Option(help="Of the predictor, with predicted alone.")]
Opening: TypeAlias = Annotated[int, typer.Option(min=1, help="Trainings of the first generation.")]
Batch: TypeAlias = Annotated[int, typer.Option(min=1, help="Trainings of each further one.")]
PartitionName: TypeAlias = Annotated[
    str | None, typer.Option(help="Niches: none, random, conv3x3, quantiles:QUANTITY[:K], ...")
]
DataDir: TypeAlias = Annotated[Path | None, typer.Option(help="Directory of public tables.")]
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


def make_plan(
    methods: Sequence[str], contexts: str, seeds: int, first_seed: int, **fields: object
) -> "Plan":
    """A plan from the shell's words.

    Raises:
        RequestError: For contexts that cannot be parsed, or a seed too large.
    """
    from llm_nas.experiments.compare import Plan
    from llm_nas.experiments.setting import parse_contexts

    if first_seed + seeds > 2**32:
        raise RequestError(f"--first-seed {first_seed}: seeds are below 2**32")
    return Plan.model_validate(
        {
            "methods": methods,
            "contexts": parse_contexts(contexts),
            "seeds": tuple(range(first_seed, first_seed + seeds)),
            **fields,
        }
    )


def run_plan(
    plan: "Plan",
    out: Path | None,
    jobs: int,
    engine: str,
    *,
    as_json: bool,
    more: "Callable[[Sequence[Record]], Iterable[str]]",
) -> None:
    """Run what is missing of a plan, leave its files and print its tables, `more` last."""
    from llm_nas.cli.output import print_json, say
    from llm_nas.experiments.results import document, finish, run_with_progress, tables

    records = run_with_progress(plan, out, jobs, engine)
    if out is not None:
        finish(plan, records, out)
    if as_json:
        print_json(document(plan, records))
        return
    for line in (*tables(plan, records), *more(records)):
        say(line)
    if out is not None:
        say(f"rows, tables and picture: {out}")
