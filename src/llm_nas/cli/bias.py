"""`llm-nas bias`: where a model's cells fall."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli.output import out, print_json, say

if TYPE_CHECKING:
    from llm_nas.experiments.bias import BiasReport


def bias(
    model: Annotated[str, typer.Option(help="PROVIDER:NAME, or a name with --base-url")],
    base_url: Annotated[str | None, typer.Option(help="an OpenAI-compatible server")] = None,
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100 or ImageNet16-120")] = "cifar10",
    device: Annotated[str, typer.Option(help="a known device, or NAME=FILE.csv")] = "edgegpu",
    cells: Annotated[int, typer.Option(help="cells asked for in each way")] = 24,
    batch: Annotated[int, typer.Option(help="cells asked for in one call")] = 4,
    picture: Annotated[Path | None, typer.Option(help="save a picture here")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder of benchmark tables")] = None,
    record: Annotated[Path | None, typer.Option(help="keep requests and answers")] = None,
    replay: Annotated[Path | None, typer.Option(help="answer from a recording")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="only the result, as JSON")] = False,
) -> None:
    """Show where the cells fall that a model proposes.

    It is asked plainly, for speed, and niche by niche; counted are niches, tenths of the latency
    range, and distinct cells.
    """
    from llm_nas.agents.chat_agents import open_transport
    from llm_nas.agents.chat_options import ModelOptions
    from llm_nas.errors import ModelReplyError
    from llm_nas.experiments import bias as experiment
    from llm_nas.tools.data import open_benchmark
    from llm_nas.tools.latency import open_latency
    from llm_nas.tools.partition import make_partition
    from llm_nas.tools.space import nas_bench_201

    space = nas_bench_201()
    options = ModelOptions(base_url=base_url, record=record, replay=replay)
    table = open_latency(open_benchmark(data_dir), dataset, device, space)
    setting = experiment.BiasSetting(model, dataset, table.name, cells, batch)
    report = experiment.measure_bias(
        setting,
        open_transport({model}, options),
        options,
        space,
        make_partition(space),
        table.values_ms,
    )
    if not any(way.cells for way in report.ways):
        raise ModelReplyError(f"{model}: no usable answer; {report.ways[-1].failure}")
    if picture is not None:
        experiment.draw_bias(report, table.values_ms, picture)
    print_json(report) if as_json else _show(report)


def _show(report: "BiasReport") -> None:
    from rich.table import Table

    table = Table(title=f"{report.model}: {report.dataset} on {report.device}")
    for heading in ("asked", "cells", "distinct", "latency deciles"):
        table.add_column(heading, no_wrap=True)
    for niche in report.ways[0].niches:
        table.add_column(niche, justify="right", no_wrap=True, min_width=2)
    for way in report.ways:
        table.add_row(
            way.way,
            str(len(way.cells)),
            str(way.distinct),
            f"{way.latency_coverage:.0%}",
            *(str(count) for count in way.niches.values()),
        )
    out.print(table)
    say("latency deciles: tenths of the range of all latencies that hold a cell")
    for way in report.ways:
        if way.failed:
            line = f"{way.way}: {way.failed} calls without a usable answer ({way.failure})"
            say(line)
