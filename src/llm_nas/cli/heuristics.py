"""`llm-nas heuristics`: look into a heuristic store, without any language model."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from llm_nas.claims import Heuristic, Status
from llm_nas.cli.output import out, print_json, say

if TYPE_CHECKING:
    from llm_nas.knowledge.store import HeuristicStore

app = typer.Typer(no_args_is_help=True, help="Design heuristics as tested claims.")

StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Store folder [default: the user's store].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON, on stdout.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Only about this dataset.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="Only about this device.")]
ChromaOption = Annotated[
    str | None,
    typer.Option("--chroma-url", help="Chroma server of the index [default: LLM_NAS_CHROMA_URL]."),
]
NicheOption = Annotated[str | None, typer.Option("--niche", help="Only about this niche.")]


_MOST_LINES = 20
"""Refusals of an import that are printed; all are in its JSON."""


@contextmanager
def _store(
    folder: Path | None, *, readonly: bool = True, chroma_url: str | None = None
) -> Generator["HeuristicStore"]:
    from llm_nas.knowledge.store import HeuristicStore, default_store_dir

    place = folder or default_store_dir()
    with HeuristicStore.open(place, readonly=readonly, chroma_url=chroma_url) as store:
        yield store


def _print(found: Sequence[Heuristic], as_json: bool) -> None:
    if as_json:
        print_json([h.model_dump(mode="json") | {"statement": h.claim.statement} for h in found])
        return
    from llm_nas.knowledge.rendering import listing

    out.print(listing(found) if found else "No heuristic.", soft_wrap=True)


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
    device: Annotated[
        str | None, typer.Option("--device", help="A device, or NAME=FILE.csv for an unseen one.")
    ] = None,
    niche: NicheOption = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="At most this many.")] = 5,
    model: Annotated[
        str, typer.Option(help="offline, or PROVIDER:NAME to sum the answer up")
    ] = "offline",
    base_url: Annotated[str | None, typer.Option(help="an OpenAI-compatible server")] = None,
    chroma_url: ChromaOption = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder of benchmark tables")] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question with claims, effects and examples."""
    from llm_nas.agents.chat_options import OFFLINE
    from llm_nas.cli.answers import likenesses, summary_of, summary_text
    from llm_nas.knowledge.answer_text import answer_text

    name = device.partition("=")[0] if device else None
    with _store(store, chroma_url=chroma_url) as opened:
        query = opened.understand(text, dataset=dataset, device=name, niche=niche)
        alike = likenesses(opened, query, device, data_dir)
        answer = opened.ask(text, dataset=dataset, device=name, niche=niche, k=k, similarity=alike)
    summary = None if model == OFFLINE else summary_of(answer, model, base_url)
    if as_json:
        told = summary.model_dump(mode="json") if isinstance(summary, BaseModel) else summary
        print_json(answer.model_dump(mode="json") | {"summary": told})
        return
    out.print(answer_text(answer), soft_wrap=True)
    if summary is not None:
        say(f"\n{summary_text(summary)}")


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="Id, or its first digits.")],
    store: StoreOption = None,
    chroma_url: ChromaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a claim: evidence, near duplicates, conflicts, lift."""
    from llm_nas.knowledge.answer_text import twin_lines
    from llm_nas.knowledge.rendering import sheet

    with _store(store, chroma_url=chroma_url) as opened:
        found, twins = opened.show(key), opened.twins(key)
    if as_json:
        more = {"statement": found.claim.statement, "twins": [t.model_dump() for t in twins]}
        print_json(found.model_dump(mode="json") | more)
        return
    shown = "\n".join([sheet(found).plain, *twin_lines(twins)])
    say(shown)


@app.command()
def history(
    key: Annotated[str, typer.Argument(help="Id, or its first digits.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell every step of a claim, oldest first, with its reason."""
    from llm_nas.knowledge.rendering import steps

    with _store(store) as opened:
        events = opened.history(key)
    if as_json:
        print_json([{"seq": e.seq, "ts": e.ts, "kind": e.kind, "body": e.body} for e in events])
    else:
        out.print(steps(events), soft_wrap=True)


@app.command()
def explain(
    arch: Annotated[str, typer.Argument(help="A cell as an architecture string.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a cell: measured values, proposals, claims met.

    Cells that are the same network and measured neighbours are named, too.
    """
    from llm_nas.knowledge.rendering import story

    with _store(store) as opened:
        found = opened.explain(arch)
    if as_json:
        print_json(found)
    else:
        out.print(story(found), soft_wrap=True)


@app.command("export")
def export_(
    path: Annotated[Path, typer.Argument(help="Playbook file to write.")],
    store: StoreOption = None,
    status: Annotated[str | None, typer.Option(help="Only claims of this status.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write claims as a playbook."""
    from llm_nas.knowledge.rendering import status_named

    with _store(store) as opened:
        count = opened.export(path, status=status_named(status))
    if as_json:
        print_json({"claims": count, "path": str(path)})
    else:
        say(f"{count} claims written to {path}")


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="Playbook file to read.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a playbook's claims as proposals.

    They are tested on this store's own cells.
    """
    with _store(store, readonly=False) as opened:
        report = opened.import_(path)
    if as_json:
        print_json(report)
        return
    say(
        f"{len(report.added)} added, {len(report.known)} known, {len(report.refused)} refused, "
        f"{len(report.conflicts)} conflicts"
    )
    for refusal in report.refused[:_MOST_LINES]:
        line = f"  claims[{refusal.position}]: {refusal.reason}"
        say(line)
    if len(report.refused) > _MOST_LINES:
        say(f"  ... and {len(report.refused) - _MOST_LINES} more")
    for one, other in report.conflicts[:_MOST_LINES]:
        say(f"  {one} says the opposite of {other}")


@app.command()
def merge(
    other: Annotated[Path, typer.Argument(help="Folder of the store to take in.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in another store's lessons.

    Evidence is computed anew.
    """
    with _store(store, readonly=False) as opened:
        lessons = opened.merge(other)
    if as_json:
        print_json({"lessons": lessons})
    else:
        say(f"{lessons} new lessons taken in")


@app.command()
def rebuild(
    store: StoreOption = None, chroma_url: ChromaOption = None, as_json: JsonOption = False
) -> None:
    """Make tables and index again from the event log."""
    with _store(store, readonly=False, chroma_url=chroma_url) as opened:
        claims = opened.rebuild()
    if as_json:
        print_json({"claims": claims})
    else:
        say(f"rebuilt: {claims} claims")


@app.command()
def audit(
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100 or ImageNet16-120.")],
    device: Annotated[str, typer.Option(help="A device, or NAME=FILE.csv.")],
    store: StoreOption = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of benchmark tables.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check supported claims against the whole table."""
    from llm_nas.experiments import audit as audits

    with _store(store) as opened:
        report = audits.audit(opened, dataset, device, data_dir)
    if as_json:
        print_json(report)
        return
    sign, covered = report.sign_precision, report.interval_coverage
    words = "" if sign is None or covered is None else f"; sign {sign:.3f}, coverage {covered:.3f}"
    say(f"{report.claims} supported claims{words} ({report.data_source})")
    for m in report.worst:
        numbers = f"true {m.true_effect:+.3g}, claimed {m.mean_effect:+.3g}"
        line = f"  {m.id[:8]} {m.statement}: {numbers} [{m.low:+.3g}, {m.high:+.3g}]"
        say(line)
