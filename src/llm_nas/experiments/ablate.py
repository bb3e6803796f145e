"""Ablations: the whole system against itself with one part removed or replaced."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from llm_nas.agents.chat_options import OFFLINE
from llm_nas.errors import RequestError
from llm_nas.experiments.summary import ContextSummary
from llm_nas.experiments.variants import VARIANTS

OPERATORS = "operators-only"
"""The system in which niches matter most: nothing in it looks at the whole space."""
PARTS = tuple(name for name, v in VARIANTS.items() if v.partition is None)
PARTITIONS = tuple(name for name, v in VARIANTS.items() if v.partition is not None)
DIVIDED_OPERATORS = tuple(f"{OPERATORS}@{VARIANTS[name].partition}" for name in PARTITIONS)
GROUPS = {
    "all": (*PARTITIONS, *PARTS, *DIVIDED_OPERATORS),
    "parts": PARTS,
    "partitions": (*PARTITIONS, OPERATORS, *DIVIDED_OPERATORS),
}


def ablation_methods(without: str) -> tuple[str, ...]:
    """The whole offline system, first, and the named ablations or groups of them.

    Raises:
        RequestError: For an unknown ablation, or none.
    """
    names = [name for part in without.split(",") if (name := part.strip())]
    chosen = tuple(dict.fromkeys(n for name in names for n in GROUPS.get(name, (name,))))
    unknown = [name for name in chosen if name.partition("@")[0] not in (*VARIANTS, OFFLINE)]
    if unknown or not chosen:
        raise RequestError(
            f"--without: unknown {', '.join(unknown) or 'ablation (none named)'}; "
            f"use {', '.join(GROUPS)} or some of {', '.join(VARIANTS)}"
        )
    return tuple(dict.fromkeys((OFFLINE, *chosen)))


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
    parts = {v.partition: v.what for v in VARIANTS.values() if v.partition is not None}
    lines: list[str] = []
    for method in methods:
        name, at, partition = method.partition("@")
        what = VARIANTS[name].what if name in VARIANTS else "the whole system"
        where = f", {parts.get(partition, f'partition {partition}')}" if at else ""
        lines += [f"{method}: {what}{where}"] if name in VARIANTS or at else []
    return lines
