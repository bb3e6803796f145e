"""`llm-nas data`: fetch public tables, show which are in use, build what is shipped."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_nas.cli.output import console, out, print_json, say

if TYPE_CHECKING:
    from llm_nas.tools.data.public.upstream import UpstreamFile

app = typer.Typer(no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="Directory of tables.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON only.")]


@app.callback()
def data() -> None:
    """Fetch public tables, show which are used, build packs, truth models and references."""


@app.command()
def fetch(
    base_url: Annotated[
        str, typer.Option(help="A mirror laid out like raw.githubusercontent.com, or name/file.")
    ] = "https://raw.githubusercontent.com",
    into: Annotated[
        Path | None, typer.Option(help="Target directory instead of the cache.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download the public tables and check them.

    Files are pinned, their SHA-256 is checked before they are read and converted.
    """
    from urllib.parse import urlsplit

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from llm_nas.errors import RequestError
    from llm_nas.tools.data.locate import user_cache
    from llm_nas.tools.data.public import convert_all
    from llm_nas.tools.data.public.fetch import Fetcher
    from llm_nas.tools.data.public.upstream import UPSTREAM

    if urlsplit(base_url).scheme not in ("http", "https"):
        raise RequestError(f"--base-url {base_url!r}: expected http(s)://HOST")
    target = into if into is not None else user_cache()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console) as progress:
        tasks = {f.name: progress.add_task(f.name, total=f.size_bytes) for f in UPSTREAM}

        def show(file: "UpstreamFile", have: int) -> None:
            progress.update(tasks[file.name], completed=have)

        Fetcher(target / "public", base_url, progress=show).fetch_all()
    written = convert_all(target / "public", target)
    if as_json:
        print_json({"files": [str(path) for path in written]})
    for path in [] if as_json else written:
        say(f"wrote {path}")


@app.command()
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show which source is in use and what it lacks."""
    from llm_nas.tools.data.status import data_status

    report = data_status(data_dir)
    if as_json:
        print_json(report)
        return
    say(f"source:  {report['source']}")
    say(f"sha256:  {report['digest']}")
    for place in report["places"]:
        lacks = ", ".join(place["lacks"]) or "nothing"
        say(f"{place['name']}: {place['path'] or 'not set'}; lacks {lacks}")
    for task, labels in report["labels"].items():
        say(f"labels of {task}: {labels}")
    for space, model in report["truth_models"].items():
        say(f"truth model of {space}: {model['sha256'][:12]}, held out {model['held_out']}")
    say(f"measured rows: {report['rows']}")
    for line in report["own"]:
        say(f"own measurement: {line}")
    for line in report["missing"]:
        say(f"missing: {line}")


@app.command("embed-proxies")
def embed_proxies(
    table: Annotated[Path, typer.Argument(help="A whole table written by `proxies table`.")],
    path: Annotated[Path | None, typer.Option("--out", help="The .npz to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Keep a table of own proxies beside the pack.

    Values are rounded; the recipe goes along.
    """
    from llm_nas.tools.data.packs import OWN_PATH, embed

    target = path if path is not None else OWN_PATH
    recipe = embed(table, target)
    if as_json:
        print_json({"file": str(target), "recipe": recipe.model_dump()})
    else:
        say(f"{recipe.dataset} in {target}")


@app.command("build-pack")
def build_pack(
    data_dir: DataDir = None,
    path: Annotated[Path | None, typer.Option("--out", help="The .npz to write.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the cells.")] = 200,
    width: Annotated[int, typer.Option(min=8, help="Hidden units per layer.")] = 256,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Train the embedded pack's models on the tables.

    How well they agree is printed and written.
    """
    from llm_nas.errors import DataError
    from llm_nas.tools.data.locate import tables_folder
    from llm_nas.tools.data.packs import PACK_PATH, PublishedTables, Recipe, missing_files
    from llm_nas.tools.data.packs import build_pack as build

    folder = tables_folder(missing_files, data_dir)
    if folder is None:
        raise DataError("--data-dir: a pack is built from published tables; name their directory")
    target = path if path is not None else PACK_PATH
    say(f"training into {target}; this takes some minutes", console)
    fidelity = build(PublishedTables(folder), target, Recipe(width, epochs, seed))
    if as_json:
        print_json(fidelity)
    else:
        _print_fidelity(fidelity)


def _print_fidelity(fidelity: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(title=f"Kendall tau against the tables, {fidelity['bytes']:,} bytes")
    for column in ("quantity", "fitted", "held-out cells"):
        table.add_column(column)
    for name, row in fidelity["kendall_tau"].items():
        held_out = "formula" if row["held_out"] is None else f"{row['held_out']:.3f}"
        table.add_row(name, f"{row['fitted']:.3f}", held_out)
    out.print(table)


@app.command("build-truth")
def build_truth(
    space: Annotated[str, typer.Option(help="anb or hwgpt-s.")] = "anb",
    data_dir: DataDir = None,
    path: Annotated[Path | None, typer.Option("--out", help="The .npz to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a space's truth model to all published rows.

    How well it agrees with rows that it never saw is printed and written beside it.
    """
    from llm_nas.errors import RequestError
    from llm_nas.tools.data.packs import TASK_OF, rows_of
    from llm_nas.tools.data.packs import build_truth as build

    if space not in TASK_OF:
        raise RequestError(f"--space {space}: expected one of {', '.join(TASK_OF)}")
    rows = rows_of(space, data_dir)
    say(f"fitting {len(rows.archs)} rows; this takes some minutes", console)
    card = build(rows, path, lambda line: say(line, console))
    if as_json:
        print_json(card)
        return
    for quantity, figures in card["held_out"].items():
        say(f"{quantity}: {figures}")


@app.command("build-reference")
def build_reference(
    contexts: Annotated[
        str | None, typer.Option(help="SPACE/TASK/DEVICE,... instead of all with truth models.")
    ] = None,
    data_dir: DataDir = None,
    path: Annotated[Path | None, typer.Option("--out", help="The .npz to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compute the fronts that hypervolumes are shares of.

    They are frozen for the truth models they were made from; tables need none.
    """
    from llm_nas.evaluation.freeze import all_contexts, build_references
    from llm_nas.tools.contexts import parse_context
    from llm_nas.tools.spaces import open_space

    wanted = all_contexts()
    if contexts is not None:
        wanted = tuple(parse_context(text) for text in contexts.split(",") if text.strip())
    opened = [(context, open_space(context.space)) for context in wanted]
    sizes = build_references(
        opened, data_dir=data_dir, path=path, say=lambda line: say(line, console)
    )
    if as_json:
        print_json(sizes)
        return
    for context, size in sizes.items():
        say(f"{context}: {size} networks")
