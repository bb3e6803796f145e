"""`llm-nas transfer`: what one device's trainings are worth on another."""

from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli import options

if TYPE_CHECKING:
    from llm_nas.experiments.transfer import TransferRow


def transfer(
    contexts: Annotated[
        str, typer.Option(help="SPACE/TASK/DEVICE,...: every ordered pair of one space.")
    ] = "anb/imagenet/a100,anb/imagenet/zcu102",
    trainings: Annotated[int, typer.Option(min=1, help="Of a target's search.")] = 12,
    source_trainings: Annotated[int, typer.Option(min=1, help="That fill a store.")] = 60,
    seeds: options.Seeds = 3,
    first_seed: options.FirstSeed = 0,
    jobs: options.Jobs = 1,
    out: options.Out = None,
    data_dir: options.DataDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Search targets cold, and with the store that a search of the source left."""
    from llm_nas.cli.output import console, print_json, say
    from llm_nas.experiments.setting import parse_contexts
    from llm_nas.experiments.transfer import TransferPlan
    from llm_nas.experiments.transfer import transfer as measure

    plan = TransferPlan(
        contexts=parse_contexts(contexts),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        trainings=trainings,
        source_trainings=source_trainings,
        data_dir=data_dir,
    )

    def progress(done: int, total: int) -> None:
        say(f"{done} of {total} trips", console)

    rows = measure(plan, out, jobs, progress)
    if as_json:
        print_json({"protocol": 2, "rows": [row.model_dump(mode="json") for row in rows]})
        return
    say("| source | target | cold | warm, 0 | warm |")
    say("|---|---|---|---|---|")
    for source, target in dict.fromkeys((row.source, row.target) for row in rows):
        say(_line([row for row in rows if (row.source, row.target) == (source, target)]))


def _line(rows: "list[TransferRow]") -> str:
    """Means over seeds of one pair."""

    def mean(values: list[float]) -> str:
        return f"{sum(values) / len(values):.3f}"

    start = [row.at["0"] for row in rows if "0" in row.at]
    cold, warm = mean([row.hv_cold for row in rows]), mean([row.hv_warm for row in rows])
    first = mean(start) if start else ""
    return f"| {rows[0].source} | {rows[0].target} | {cold} | {first} | {warm} |"
