"""Ablations: the whole system against itself with one part removed or replaced."""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from llm_nas.agents.chat_options import OFFLINE
from llm_nas.errors import RequestError
from llm_nas.experiments.compare import Plan
from llm_nas.experiments.setting import ContextName
from llm_nas.experiments.summary import ContextSummary
from llm_nas.experiments.variants import VARIANTS

ALL = "all"


def ablation_plan(
    without: str,
    *,
    contexts: tuple[ContextName, ...],
    seeds: tuple[int, ...],
    budget: int = 120,
    labels: int = 1000,
    generations: int = 10,
    data_dir: Path | None = None,
) -> Plan:
    """A comparison of the whole offline system, first, with `all` or the named ablations.

    Raises:
        RequestError: For an unknown ablation, or none.
    """
    names = [name for part in without.split(",") if (name := part.strip())]
    chosen = list(VARIANTS) if names == [ALL] else list(dict.fromkeys(names))
    unknown = [name for name in chosen if name not in VARIANTS]
    if unknown or not chosen:
        raise RequestError(
            f"--without: unknown {', '.join(unknown) or 'ablation (none named)'}; "
            f"use all or some of {', '.join(VARIANTS)}"
        )
    return Plan(
        methods=(OFFLINE, *chosen),
        contexts=contexts,
        seeds=seeds,
        budget=budget,
        labels=labels,
        generations=generations,
        data_dir=data_dir,
    )


def device_table(contexts: Sequence[ContextSummary], methods: Sequence[str]) -> Table:
    """Mean `hv` per device and ablation: shows where an axis fails."""
    devices = list(dict.fromkeys(context.device for context in contexts))
    table = Table(title="mean hv per device", box=SIMPLE_HEAD)
    table.add_column("system", no_wrap=True)
    for device in devices:
        table.add_column(device, justify="right", no_wrap=True)
    for position, method in enumerate(methods):
        means = [
            [context.hv[position] for context in contexts if context.device == device]
            for device in devices
        ]
        table.add_row(method, *(f"{sum(values) / len(values):.3f}" for values in means))
    return table


def legend(methods: Sequence[str]) -> list[str]:
    """What each ablation is, one line each."""
    return [f"{name}: {VARIANTS[name].what}" for name in methods if name in VARIANTS]
