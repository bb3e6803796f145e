"""`llm-nas heuristics`: look into a heuristic store, without any language model."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.claims import Heuristic, Status
from llm_nas.cli.output import out, print_json

if TYPE_CHECKING:
    from llm_nas.knowledge.store import HeuristicStore

app = typer.Typer(no_args_is_help=True, help="Design heuristics as tested claims.")

StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Store folder [default: the user's store].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON, on stdout.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Only about this dataset.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="Only about this device.")]
NicheOption = Annotated[str | None, typer.Option("--niche", help="Only about this niche.")]


@contextmanager
def _store(folder: Path | None, *, readonly: bool = True) -> Generator["HeuristicStore"]:
    from llm_nas.knowledge.store import HeuristicStore, default_store_dir

    with HeuristicStore.open(folder or default_store_dir(), readonly=readonly) as store:
        yield store


def _print(found: Sequence[Heuristic], as_json: bool) -> None:
    if as_json:
        print_json([h.model_dump(mode="json") | {"statement": h.claim.statement} for h in found])
        return
    from llm_nas.knowledge.rendering import table

    out.print(table(found) if found else "No heuristic.")


@app.command("list")
def list_(
    store: StoreOption = None,
    status: Annotated[str | None, typer.Option(help="proposed, supported, trusted, ...")] = None,
    dataset: DatasetOption = None,
    device: DeviceOption = None,
    niche: NicheOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List claims, best first."""
    from llm_nas.knowledge.rendering import status_named

    wanted: Status | None = status_named(status)
    with _store(store) as opened:
        _print(
            opened.list(status=wanted, dataset=dataset, device=device, niche=niche, limit=limit),
            as_json,
        )


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="What you want to know, in words.")],
    store: StoreOption = None,
    dataset: DatasetOption = None,
    device: DeviceOption = None,
    niche: NicheOption = None,
    k: Annotated[int, typer.Option(min=1, help="At most this many.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Find the claims that answer a question, with their evidence."""
    with _store(store) as opened:
        _print(opened.ask(text, dataset=dataset, device=device, niche=niche, k=k), as_json)
