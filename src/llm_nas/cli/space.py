"""`llm-nas space`: look at a family of networks before it is searched."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli.output import console, print_json, say

if TYPE_CHECKING:
    from llm_nas.tools.spaces.table import Row, Shown, SpaceTable

app = typer.Typer(help="Look at a family of networks before it is searched.", no_args_is_help=True)

_LONGEST_VALUES = 36


@app.command()
def show(
    space: Annotated[str, typer.Argument(help="NAME, FILE.py[:NAME], FILE.toml or around:...")],
    task: Annotated[str | None, typer.Option(help="Whose images and classes it is for.")] = None,
    device: Annotated[str | None, typer.Option(help="What its networks are timed on.")] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option(min=0, help="A limit: can it be met at all?")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print choices, what each weighs, and the smallest, middle and largest network."""
    found = _table(space, task, device)
    if as_json:
        print_json(found)
        return
    for line in _in_words(found, max_latency_ms):
        say(line)


def _table(space: str, task: str | None, device: str | None) -> "SpaceTable":
    from llm_nas.tools.contexts import resolve
    from llm_nas.tools.devices import open_device
    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.spaces.table import table_of
    from llm_nas.tools.tasks import shape_of

    if device is None:
        return table_of(open_space(space, None if task is None else shape_of(task)))
    name = resolve(space, task, device)
    opened = open_space(space, shape_of(name.task))
    timer = open_device(device, opened, name.task)
    try:
        return table_of(opened, timer, lambda line: say(line, console))
    finally:
        close = getattr(timer, "close", None)
        if close is not None:
            close()


def _in_words(found: "SpaceTable", limit: float | None) -> Iterator[str]:
    yield f"{found.space}: about 1e{found.log10_size:.1f} networks"
    yield from (f"note: {note}" for note in found.notes)
    yield ""
    weighed = found.weighed_by or "size"
    heads = ("choice", "values", f"{weighed}", "ms", "what it is")
    yield from _columns([heads, *(_cells(row) for row in found.rows)])
    yield f"({weighed}, ms: what the largest network loses when the choice alone is at its least)"
    yield ""
    heads = ("network", "params", "multiply-adds", "latency", "")
    yield from _columns([heads, *(_sizes(network) for network in found.networks)])
    yield from (f"{network.which}: {network.arch}" for network in found.networks)
    if limit is not None:
        yield _answer(found.networks[0], limit)


def _cells(row: "Row") -> tuple[str, ...]:
    values = " ".join(map(str, row.values))
    if len(values) > _LONGEST_VALUES:
        values = f"{row.values[0]} .. {row.values[-1]} ({len(row.values)})"
    share = "" if row.share is None else f"{100 * row.share:.1f} %"
    ms = "" if row.ms is None else f"{row.ms:.3g}"
    return row.choice, values, share, ms, row.words


def _sizes(network: "Shown") -> tuple[str, ...]:
    params = "" if network.params_m is None else f"{network.params_m:.3g} M"
    macs = "" if network.macs_m is None else f"{network.macs_m:.3g} M"
    latency = ""
    if network.latency_ms is not None:
        low, high = network.latency_low_ms, network.latency_high_ms
        latency = f"{network.latency_ms:.3g} ms ({low:.3g} to {high:.3g})"
    return network.which, params, macs, latency, network.failure or ""


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(text.ljust(wide) for text, wide in cells).rstrip()


def _answer(smallest: "Shown", limit: float) -> str:
    if smallest.latency_ms is None:
        return f"whether {limit:g} ms can be met: not measured; name a --device"
    if smallest.latency_ms <= limit:
        return f"{limit:g} ms can be met: the smallest network takes {smallest.latency_ms:.3g} ms"
    return f"{limit:g} ms cannot be met: even the smallest takes {smallest.latency_ms:.3g} ms"
