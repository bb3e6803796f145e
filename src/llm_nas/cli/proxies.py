"""`llm-nas proxies`: zero-cost proxies of one network, or of a space, computed live."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from llm_nas.cli.output import console, out, print_json, say
from llm_nas.errors import RequestError
from llm_nas.threads import usable_cores

if TYPE_CHECKING:
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
    help="Zero-cost proxies of a network (`proxies ARCH`) or of a space (`proxies table`).",
    cls=_ScoreByDefault,
    no_args_is_help=True,
)

_Space = Annotated[str | None, typer.Option(help="A family of networks; the task's own.")]
_Task = Annotated[str | None, typer.Option(help="Decides images and classes; the space's own.")]
_Batch = Annotated[Path | None, typer.Option(help="An .npz of real images (x_train, y_train).")]
_Synthetic = Annotated[bool, typer.Option("--synthetic", help="Use seeded synthetic images.")]
_Setting = Annotated[str, typer.Option(help="full (64 images) or fast.")]
_BatchSize = Annotated[int | None, typer.Option(min=2, max=1024, help="Images in the batch.")]
_Seed = Annotated[int, typer.Option(min=0, help="Seeds weights, images drawn and noise.")]
_AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command("score")
def score_command(
    arch: Annotated[str, typer.Argument(help="An architecture, as the space writes it.")],
    space: _Space = None,
    task: _Task = None,
    batch: _Batch = None,
    synthetic: _Synthetic = False,
    setting: _Setting = "full",
    batch_size: _BatchSize = None,
    seed: _Seed = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch threads; all cores.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Compute every proxy of one network, with the seconds it takes."""
    from llm_nas.tools.contexts import resolve
    from llm_nas.tools.proxies.compute import compute_proxies, use_threads
    from llm_nas.tools.spaces import open_space

    use_threads(threads or usable_cores())
    context = resolve(space, task, None if space is None or task is None else "none")
    settings = _settings(setting, batch_size)
    images = _images(context.task, batch, synthetic, settings, seed)
    family = open_space(context.space, images.shape)
    name = family.parse(arch)
    vector = compute_proxies(family, name, images, seed=seed, settings=settings)
    if as_json:
        header = {"arch": name, "space": context.space, "task": context.task}
        print_json(header | {"settings": settings.model_dump()} | vector.model_dump())
        return
    if images.synthetic:
        say("No --batch given: seeded synthetic images were used.", console)
    _print_table(name, vector)


@app.command("table")
def table_command(
    out_file: Annotated[Path, typer.Option("--out", help="The .npz to write.")],
    space: _Space = None,
    task: _Task = None,
    batch: _Batch = None,
    synthetic: _Synthetic = False,
    setting: _Setting = "fast",
    batch_size: _BatchSize = None,
    seed: _Seed = 0,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads of a process.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Random networks, not all.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Compute the distinct networks of a space, into one file.

    The same command continues a broken run.
    """
    from importlib.metadata import version

    from llm_nas.tools.contexts import resolve
    from llm_nas.tools.proxies.tabulate import Recipe, Work, draw_archs, fill_table
    from llm_nas.tools.spaces import open_space

    context = resolve(space, task, None if space is None or task is None else "none")
    settings = _settings(setting, batch_size)
    images = _images(context.task, batch, synthetic, settings, seed)
    recipe = Recipe(
        space=context.space,
        dataset=context.task,
        settings=settings,
        seed=seed,
        batch=images.source,
        torch=version("torch"),
    )
    work = Work(context.space, images, seed, settings, threads)
    archs = draw_archs(open_space(context.space, images.shape), seed, limit)
    with _progress() as on_row:
        summary = fill_table(
            out_file, recipe, archs, lambda left: work.rows(left, processes), on_row
        )
    if as_json:
        print_json(summary)
    else:
        say(f"{summary.archs} of {summary.wanted} networks in {summary.out}")


@contextmanager
def _progress() -> Generator[Callable[[int, int], None]]:
    """A bar on stderr with networks done, time spent and time left; yields what moves it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = ("networks", BarColumn(), MofNCompleteColumn(), Elapsed(), TimeRemainingColumn())
    with Progress(*columns, console=console, speed_estimate_period=600) as bar:
        task = bar.add_task("networks", total=None)
        yield lambda done, wanted: bar.update(task, completed=done, total=wanted)


def _settings(name: str, batch_size: int | None) -> "ProxySettings":
    from llm_nas.tools.proxies.settings import preset

    settings = preset(name)
    if batch_size is None or batch_size == settings.batch_size:
        return settings
    return settings.model_copy(update={"name": "custom", "batch_size": batch_size})


def _images(
    task: str, path: Path | None, synthetic: bool, settings: "ProxySettings", seed: int
) -> "ImageBatch":
    from llm_nas.tools.proxies.batch import load_batch, synthetic_batch
    from llm_nas.tools.tasks import shape_of

    if path is not None and synthetic:
        raise RequestError("--batch and --synthetic exclude each other: give one")
    shape = shape_of(task)
    if path is not None:
        return load_batch(path, shape, settings.batch_size, seed)
    if shape is None:
        raise RequestError(
            f"--task {task}: takes no images that are known; give them with --batch"
        )
    return synthetic_batch(shape, settings.batch_size, seed)


def _print_table(arch: str, vector: "ProxyVector") -> None:
    from rich.table import Table

    from llm_nas.tools.proxies.names import PROXIES

    table = Table("proxy", "value", "seconds", title=arch, caption=f"images: {vector.batch}")
    for name in PROXIES:
        value = vector.values.get(name)
        shown = f"missing: {vector.missing[name]}" if value is None else f"{value:.6g}"
        table.add_row(name, shown, f"{vector.seconds.get(name, 0.0):.3f}")
    out.print(table)
