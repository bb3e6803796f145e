"""`llm-nas probe-memory`: does a model know the benchmark by heart?"""

from pathlib import Path
from typing import Annotated

import typer

from llm_nas.cli.output import print_json, say


def probe_memory(
    model: Annotated[str, typer.Option(help="PROVIDER:NAME, or a name with --base-url")],
    base_url: Annotated[str | None, typer.Option(help="an OpenAI-compatible server")] = None,
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100 or ImageNet16-120")] = "cifar10",
    cells: Annotated[int, typer.Option(help="cells to rank in each round")] = 20,
    rounds: Annotated[int, typer.Option(help="rounds, each with other cells")] = 3,
    seed: Annotated[int, typer.Option(help="draws the cells and the codes")] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="folder of benchmark tables")] = None,
    record: Annotated[Path | None, typer.Option(help="keep requests and answers")] = None,
    replay: Annotated[Path | None, typer.Option(help="answer from a recording")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="only the result, as JSON")] = False,
) -> None:
    """Test whether a model knows the benchmark by heart.

    It ranks cells it was given no data about, under their names and behind codes; both Kendall
    taus with test accuracy are told.
    """
    from llm_nas.agents.chat_agents import open_transport
    from llm_nas.agents.chat_options import ModelOptions
    from llm_nas.domain import DATASETS
    from llm_nas.errors import ModelReplyError, RequestError
    from llm_nas.experiments import probe_memory as experiment
    from llm_nas.tools.data import open_benchmark
    from llm_nas.tools.space import nas_bench_201

    if dataset not in DATASETS:
        raise RequestError(f"--dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    options = ModelOptions(base_url=base_url, record=record, replay=replay)
    setting = experiment.MemorySetting(model, dataset, cells, rounds, seed)
    benchmark = open_benchmark(data_dir)
    truth = benchmark.truth(dataset).test_accuracy_pct()
    transport = open_transport({model}, options)
    probe = experiment.probe_memory(setting, transport, options, nas_bench_201(), truth)
    if probe.named.mean is None and probe.blind.mean is None:
        raise ModelReplyError(f"{model}: no usable answer; {probe.blind.failure}")
    if as_json:
        print_json(probe)
        return
    head = f"{model}, {dataset}, {rounds} x {cells} cells; truth from {benchmark.source}"
    say(head)
    for name, result in (("named", probe.named), ("blind", probe.blind)):
        mean = "no usable answer" if result.mean is None else f"Kendall tau {result.mean:+.3f}"
        failed = f" ({result.failed} rounds failed: {result.failure})" if result.failed else ""
        say(f"{name}: {mean}{failed}")
