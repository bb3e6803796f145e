"""`llm-nas bias`: where the networks fall that a model proposes."""

from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli import options

if TYPE_CHECKING:
    from llm_nas.experiments.bias import BiasReport


def bias(
    model: Annotated[str, typer.Option(help="PROVIDER:NAME, or a name with --base-url.")],
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server.")] = None,
    context: Annotated[str, typer.Option(help="SPACE/TASK/DEVICE")] = options.BIAS_CONTEXT,
    networks: Annotated[int, typer.Option(min=1, help="Asked for in each way.")] = 24,
    partition: options.PartitionName = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    data_dir: options.DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the result.")] = False,
) -> None:
    """Ask a model plainly and niche by niche, and count where its networks fall."""
    from llm_nas.cli.output import print_json
    from llm_nas.experiments.bias import measure_bias
    from llm_nas.experiments.setting import Order, parse_contexts

    order = Order(
        context=parse_contexts(context)[0],
        seed=seed,
        trainings=networks,
        partition=partition,
        base_url=base_url,
        data_dir=data_dir,
    )
    report = measure_bias(model, order)
    print_json(report) if as_json else _show(report)


def _show(report: "BiasReport") -> None:
    from llm_nas.cli.output import say

    say(f"{report.model}: {report.space}/{report.task}/{report.device}")
    names = list(report.ways[0].niches)
    say(f"| asked | distinct | {' | '.join(names)} | tenths by latency |")
    say("|---" * (len(names) + 3) + "|")
    for way in report.ways:
        counts = " | ".join(str(way.niches[name]) for name in names)
        bands = " ".join(str(count) for count in way.latency_bands)
        say(f"| {way.way} | {way.distinct} | {counts} | {bands} |")
