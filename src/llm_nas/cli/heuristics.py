"""`llm-nas heuristics`: look into a heuristic store, without any language model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from llm_nas.claims import Heuristic, Status
from llm_nas.cli.answers import (
    answer_lines,
    claim_line,
    names_known,
    open_table,
    opened,
    sheet_lines,
    story_lines,
)
from llm_nas.cli.output import print_json, say
from llm_nas.errors import RequestError

app = typer.Typer(no_args_is_help=True, help="Design heuristics as tested claims.")

StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Store folder [default: the user's store].")
]
SpaceOption = Annotated[
    str | None, typer.Option("--space", help="Space of its networks [default: the store's own].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON, on stdout.")]
TaskOption = Annotated[str | None, typer.Option("--task", help="Only about this task.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="Only about this device.")]
NicheOption = Annotated[str | None, typer.Option("--niche", help="Only about this niche.")]
ChromaOption = Annotated[
    str | None,
    typer.Option("--chroma-url", help="Chroma server of the index [default: LLM_NAS_CHROMA_URL]."),
]
DataOption = Annotated[Path | None, typer.Option("--data-dir", help="Folder of public tables.")]

_MOST_LINES = 20
"""Refusals of an import that are printed; all are in its JSON."""


def _status(name: str | None) -> Status | None:
    if name is None or name in get_args(Status):
        return cast(Status | None, name)
    raise RequestError(f"--status {name!r}: expected {', '.join(get_args(Status))}")


def _dumped(found: Sequence[Heuristic]) -> list[dict[str, Any]]:
    return [h.model_dump(mode="json") | {"statement": h.claim.statement} for h in found]


@app.command("list")
def list_(
    store: StoreOption = None,
    status: Annotated[str | None, typer.Option(help="proposed, supported, trusted, ...")] = None,
    space: SpaceOption = None,
    task: TaskOption = None,
    device: DeviceOption = None,
    niche: NicheOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List claims, best first."""
    with opened(store, space) as opened_store:
        found = opened_store.list(
            status=_status(status),
            space=space or "",
            task=task or "",
            device=device or "",
            niche=niche or "",
            limit=limit,
        )
    if as_json:
        print_json(_dumped(found))
        return
    for heuristic in found:
        line = claim_line(heuristic)
        say(line)
    if not found:
        say("No heuristic.")


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="What you want to know, in words.")],
    store: StoreOption = None,
    goal: Annotated[str | None, typer.Option(help="accuracy, latency or size.")] = None,
    max_latency_ms: Annotated[float | None, typer.Option(min=0.0)] = None,
    min_accuracy_pct: Annotated[float | None, typer.Option(min=0.0, max=100.0)] = None,
    space: SpaceOption = None,
    task: TaskOption = None,
    device: Annotated[
        str | None, typer.Option("--device", help="A device, or NAME=FILE.csv for an unseen one.")
    ] = None,
    niche: NicheOption = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="At most this many.")] = 5,
    chroma_url: ChromaOption = None,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question with trained networks, claims and their effects."""
    from llm_nas.knowledge.ask.query import query_of

    query = query_of(
        goal=goal,
        max_latency_ms=max_latency_ms,
        min_accuracy_pct=min_accuracy_pct,
        space=space,
        task=task,
        device=device.partition("=")[0] if device else None,
        niche=niche,
    )
    with opened(store, space, chroma_url=chroma_url) as opened_store:
        table = open_table(opened_store, text, device, task, data_dir)
        answer = opened_store.ask(text, query=query, device=table, names=names_known(), k=k)
    if as_json:
        print_json(answer)
        return
    for line in answer_lines(answer):
        say(line)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="Id, or its first digits.")],
    store: StoreOption = None,
    space: SpaceOption = None,
    chroma_url: ChromaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a claim: evidence, near duplicates, conflicts, lift."""
    with opened(store, space, chroma_url=chroma_url) as opened_store:
        found, twins = opened_store.show(key), opened_store.twins(key)
    if as_json:
        print_json(_dumped([found])[0] | {"twins": [t.model_dump() for t in twins]})
        return
    for line in sheet_lines(found, twins):
        say(line)


@app.command()
def history(
    key: Annotated[str, typer.Argument(help="Id, or its first digits.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell every step of a claim, oldest first, with its reason."""
    with opened(store, None) as opened_store:
        events = opened_store.history(key)
    if as_json:
        print_json([{"seq": e.seq, "ts": e.ts, "kind": e.kind, "body": e.body} for e in events])
        return
    for event in events:
        line = f"{event.ts}  {event.kind}  {event.body}"
        say(line)


@app.command()
def explain(
    arch: Annotated[str, typer.Argument(help="An architecture's text.")],
    store: StoreOption = None,
    space: SpaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a network: trainings, failures, claims it meets, trained neighbours."""
    with opened(store, space) as opened_store:
        found = opened_store.explain(arch)
    if as_json:
        print_json(found)
        return
    for line in story_lines(found):
        say(line)


@app.command("export")
def export_(
    path: Annotated[Path, typer.Argument(help="Playbook file to write.")],
    store: StoreOption = None,
    status: Annotated[str | None, typer.Option(help="Only claims of this status.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write claims as a playbook."""
    with opened(store, None) as opened_store:
        count = opened_store.export(path, status=_status(status))
    if as_json:
        print_json({"claims": count, "path": str(path)})
    else:
        say(f"{count} claims written to {path}")


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="Playbook file to read.")],
    store: StoreOption = None,
    space: SpaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a playbook's claims as proposals, to be tested on this store's trainings."""
    with opened(store, space, readonly=False) as opened_store:
        report = opened_store.import_(path)
    if as_json:
        print_json(report)
        return
    say(
        f"{len(report.added)} added, {len(report.known)} known, {len(report.refused)} refused, "
        f"{len(report.conflicts)} conflicts"
    )
    lines = [f"  claims[{r.position}]: {r.reason}" for r in report.refused[:_MOST_LINES]]
    lines += [f"  {a} says the opposite of {b}" for a, b in report.conflicts[:_MOST_LINES]]
    for line in lines:
        say(line)
    if len(report.refused) > _MOST_LINES:
        say(f"  ... and {len(report.refused) - _MOST_LINES} more refused")


@app.command()
def merge(
    other: Annotated[Path, typer.Argument(help="Folder of the store to take in.")],
    store: StoreOption = None,
    space: SpaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in another store's lessons; evidence is computed anew."""
    with opened(store, space, readonly=False) as opened_store:
        lessons = opened_store.merge(other)
    if as_json:
        print_json({"lessons": lessons})
    else:
        say(f"{lessons} new lessons taken in")


@app.command()
def rebuild(
    store: StoreOption = None,
    space: SpaceOption = None,
    chroma_url: ChromaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make tables and index again from the event log."""
    with opened(store, space, readonly=False, chroma_url=chroma_url) as opened_store:
        claims = opened_store.rebuild()
    if as_json:
        print_json({"claims": claims})
    else:
        say(f"rebuilt: {claims} claims")


@app.command()
def audit(
    context: Annotated[str, typer.Option(help="SPACE/TASK/DEVICE.")],
    store: StoreOption = None,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check supported claims against the truth, where it is known."""
    from llm_nas.cli.answers import audited

    report = audited(context, store, data_dir)
    if as_json:
        print_json(report)
        return
    sign, covered = report.sign_precision, report.interval_coverage
    words = "" if sign is None or covered is None else f"; sign {sign:.3f}, coverage {covered:.3f}"
    say(f"{report.claims} supported claims{words}")
    for m in report.worst:
        numbers = f"true {m.true_effect:+.3g}, claimed {m.mean_effect:+.3g}"
        line = f"  {m.id[:8]} {m.statement}: {numbers} [{m.low:+.3g}, {m.high:+.3g}]"
        say(line)
