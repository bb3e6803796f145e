"""`llm-nas proxies`: zero-cost proxies of one cell, computed live."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from llm_nas.cli.output import console, out, print_json, say
from llm_nas.domain import PROXIES
from llm_nas.errors import RequestError

if TYPE_CHECKING:
    from rich.progress import Progress

    from llm_nas.tools.proxies.batch import ImageBatch
    from llm_nas.tools.proxies.compute import ProxyVector
    from llm_nas.tools.proxies.settings import ProxySettings


class _ScoreByDefault(TyperGroup):
    """Takes `proxies ARCH ...` for `proxies score ARCH ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command when the first word is not one; typer's context type is private."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["score", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Zero-cost proxies of a cell (`proxies ARCH`) or of all.",
    cls=_ScoreByDefault,
    no_args_is_help=True,
)

_Dataset = Annotated[str, typer.Option(help="cifar10, cifar100 or ImageNet16-120.")]
_Batch = Annotated[Path | None, typer.Option(help="An .npz of real images (x_train, y_train).")]
_Synthetic = Annotated[bool, typer.Option(help="Use seeded synthetic images.")]
_Setting = Annotated[str, typer.Option(help="full (64 images) or fast.")]
_BatchSize = Annotated[int | None, typer.Option(min=2, max=1024, help="Images in the batch.")]
_Seed = Annotated[int, typer.Option(min=0, help="Seeds weights, images drawn and noise.")]
_Threads = Annotated[
    int | None, typer.Option(min=1, help="Torch threads; torch's choice if not given.")
]


@app.command("score")
def score_command(
    arch: Annotated[str, typer.Argument(help="Architecture string, or a cell index.")],
    dataset: _Dataset = "cifar10",
    batch: _Batch = None,
    synthetic: _Synthetic = False,
    setting: _Setting = "full",
    batch_size: _BatchSize = None,
    seed: _Seed = 0,
    threads: _Threads = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compute every proxy of one cell, with the seconds it takes."""
    from llm_nas.tools.proxies.compute import compute_proxies
    from llm_nas.tools.proxies.settings import preset
    from llm_nas.tools.proxies.threads import use_threads
    from llm_nas.tools.space import nas_bench_201

    use_threads(threads)
    space = nas_bench_201()
    cell = space.cell(int(arch)) if arch.isdecimal() else space.parse(arch)
    settings = _sized(preset(setting), batch_size)
    images = _images(dataset, batch, synthetic, settings, seed)
    vector = compute_proxies(cell, dataset=dataset, batch=images, seed=seed, settings=settings)
    if images.synthetic:
        say("No --batch given: seeded synthetic images were used.", console)
    if json:
        header = {
            "arch": space.format(cell),
            "dataset": dataset,
            "settings": settings.model_dump(),
        }
        print_json(header | vector.model_dump())
    else:
        _print_table(space.format(cell), vector)


@app.command("table")
def table_command(
    out_file: Annotated[Path, typer.Option("--out", help="The .npz to write.")],
    dataset: _Dataset = "cifar100",
    batch: _Batch = None,
    synthetic: _Synthetic = False,
    setting: _Setting = "fast",
    batch_size: _BatchSize = None,
    seed: _Seed = 0,
    threads: _Threads = 1,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    engine: Annotated[str, typer.Option(help="process, or ray (an extra).")] = "process",
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many cells.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compute all canonical cells of a dataset, into one file.

    The same command continues a broken run.
    """
    from importlib.metadata import version

    from llm_nas.tools.proxies import engines, tabulate
    from llm_nas.tools.proxies.settings import preset
    from llm_nas.tools.space import nas_bench_201

    space = nas_bench_201()
    settings = _sized(preset(setting), batch_size)
    images = _images(dataset, batch, synthetic, settings, seed)
    recipe = tabulate.Recipe(
        space=space.name,
        dataset=dataset,
        settings=settings,
        seed=seed,
        batch=images.source,
        torch=version("torch"),
    )
    work = engines.Work(dataset, images, seed, settings, threads or 1)
    indices = tabulate.canonical_order(space, seed)[:limit].tolist()
    chosen = engines.engine(engine, processes)
    with _progress() as (_, on_row):
        summary = tabulate.fill_table(
            out_file, recipe, work, indices, chosen, space=space, on_row=on_row
        )
    if json:
        print_json(summary)
    else:
        say(f"{summary.cells} of {summary.wanted} cells in {summary.out}")


@contextmanager
def _progress() -> "Generator[tuple[Progress, Callable[[int, int], None]]]":
    """A bar on stderr with cells done, time spent and time left, and the call that moves it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (
        "cells",
        BarColumn(),
        MofNCompleteColumn(),
        Elapsed(),
        "left",
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, speed_estimate_period=600) as bar:
        task = bar.add_task("cells", total=None)
        yield bar, lambda done, wanted: bar.update(task, completed=done, total=wanted)


def _sized(settings: "ProxySettings", batch_size: int | None) -> "ProxySettings":
    if batch_size is None or batch_size == settings.batch_size:
        return settings
    return settings.model_copy(update={"name": "custom", "batch_size": batch_size})


def _images(
    dataset: str, path: Path | None, synthetic: bool, settings: "ProxySettings", seed: int
) -> "ImageBatch":
    from llm_nas.tools.proxies.batch import load_batch, synthetic_batch

    if path is not None and synthetic:
        raise RequestError("--batch and --synthetic exclude each other: give one")
    if path is None:
        return synthetic_batch(dataset, settings.batch_size, seed)
    return load_batch(path, dataset, settings.batch_size, seed)


def _print_table(arch: str, vector: "ProxyVector") -> None:
    from rich.table import Table

    table = Table("proxy", "value", "seconds", title=arch, caption=f"images: {vector.batch}")
    for name in PROXIES:
        value = vector.values.get(name)
        shown = f"missing: {vector.missing[name]}" if value is None else f"{value:.6g}"
        table.add_row(name, shown, f"{vector.seconds.get(name, 0.0):.3f}")
    out.print(table)
