"""What `llm-nas heuristics` opens, and how its answers are told to people."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llm_nas.claims import Heuristic
from llm_nas.errors import LlmNasError, RequestError

if TYPE_CHECKING:
    from llm_nas.knowledge.ask.answer import Answer
    from llm_nas.knowledge.ask.explain import Explanation
    from llm_nas.knowledge.ask.finding import Finding
    from llm_nas.knowledge.ask.query import Names
    from llm_nas.knowledge.claims.audit import AuditReport
    from llm_nas.knowledge.claims.near import Twin
    from llm_nas.knowledge.store import HeuristicStore
    from llm_nas.ports import Device


@contextmanager
def opened(
    folder: Path | None,
    space: str | None,
    *,
    readonly: bool = True,
    chroma_url: str | None = None,
) -> Generator["HeuristicStore"]:
    """A store with its space: the one named, else the one all its runs were made in."""
    from llm_nas.knowledge.store import HeuristicStore, default_store_dir
    from llm_nas.tools.niches import open_partition
    from llm_nas.tools.spaces import open_space

    place = folder or default_store_dir()
    names = {space} if space else set[str]()
    if not names and (place / "events.sqlite").is_file():
        with HeuristicStore.open(place, readonly=True) as looked_at:
            names = {run.space for run in looked_at.runs()}
    family = None
    if len(names) == 1:
        try:
            family = open_space(names.pop())
        except LlmNasError:
            # A space of the user's own file: what needs it will ask for --space.
            if space:
                raise
    partition = open_partition(None, family, 0) if family else None
    with HeuristicStore.open(
        place, space=family, partition=partition, readonly=readonly, chroma_url=chroma_url
    ) as store:
        yield store


def open_table(
    store: "HeuristicStore", text: str, device: str | None, task: str | None, data_dir: Path | None
) -> "Device | None":
    """The device asked about where its latencies are known without the store; None: they are not.

    Raises:
        RequestError, DataError: `NAME=FILE.csv` that cannot be read, or an unknown name.
    """
    from llm_nas.tools.data.tabulated import device_names
    from llm_nas.tools.devices import open_device

    if store.space is None:
        return None
    known = {run.device for run in store.runs(store.space.name)}
    tables = [name for name in device_names(store.space.name) if name not in known]
    said = {word.strip(".,;:!?()'\"").lower() for word in text.split()}
    named = device or next((name for name in tables if name.lower() in said), None)
    if named is None or named in known:
        return None
    if named not in tables and not named.endswith(".csv"):
        allowed = ", ".join([*sorted(known), *tables, "NAME=FILE.csv"])
        raise RequestError(f"--device {named!r}: unknown here; use one of {allowed}")
    tasks = [run.task for run in store.runs(store.space.name)]
    return open_device(named, store.space, task or (tasks[0] if tasks else ""), data_dir=data_dir)


def names_known() -> "Names":
    """Tasks that have tables, whether or not a store knows them."""
    from llm_nas.knowledge.ask.query import Names
    from llm_nas.tools.data.tabulated import pairs

    return Names(tasks=tuple(sorted({task for _, task in pairs()})))


def audited(context: str, folder: Path | None, data_dir: Path | None) -> "AuditReport":
    """The audit of a store's believed claims about a context whose truth is known."""
    from llm_nas.domain import ContextName
    from llm_nas.evaluation.truth import open_truth
    from llm_nas.knowledge.claims.audit import Auditor
    from llm_nas.knowledge.claims.pairs import PairSource
    from llm_nas.tools.niches import open_partition
    from llm_nas.tools.spaces import open_space

    parts = context.split("/")
    if len(parts) != 3:
        raise RequestError(f"--context {context!r}: expected SPACE/TASK/DEVICE")
    name = ContextName(space=parts[0], task=parts[1], device=parts[2])
    with opened(folder, name.space) as store:
        space = open_space(name.space)
        truth = open_truth(name, space, data_dir)
        if truth is None:
            raise RequestError(f"--context {context}: its truth is not known, so no claim is")
        pairs = PairSource(space, open_partition(None, space, 0))
        return Auditor(name, truth, pairs).audit(store.list(space=name.space, limit=1_000_000))


def claim_line(heuristic: Heuristic) -> str:
    """A claim on one line."""
    from llm_nas.knowledge.memory.ranking import numbers

    told = f"{heuristic.id[:8]}  {heuristic.status:<9}  {heuristic.claim.statement}"
    return f"{told}: {numbers(heuristic)}"


def sheet_lines(heuristic: Heuristic, twins: Sequence["Twin"]) -> Iterator[str]:
    """Everything about a claim."""
    evidence, claim = heuristic.evidence, heuristic.claim
    yield claim_line(heuristic)
    yield f"  from {claim.origin.source} {claim.origin.run}".rstrip()
    if evidence.method != "none":
        yield f"  matched pairs: {evidence.n_for} for, {evidence.n_against} against"
        yield f"  independent runs: {evidence.runs}; p = {evidence.p_value}"
        yield f"  contexts: {', '.join(evidence.contexts)}"
    yield from (f"  counter-example: {arch}" for arch in evidence.counter_examples)
    if heuristic.lift is not None:
        span = f"[{heuristic.lift_low:+.4f}, {heuristic.lift_high:+.4f}]"
        benched = ", benched" if heuristic.benched else ""
        yield f"  lift {heuristic.lift:+.4f} {span}, {heuristic.lift_calls} calls{benched}"
    yield from (f"  conflicts with {key}" for key in heuristic.conflicts)
    yield from (f"  nearly the same: {t.id[:8]} {t.statement} ({t.overlap:.2f})" for t in twins)


def answer_lines(answer: "Answer") -> Iterator[str]:
    """An answer for people; networks on lines of their own, so that they can be copied."""
    yield f"understood: {answer.understood}"
    for n in answer.architectures:
        timed = "not timed" if n.latency_ms is None else f"{n.latency_ms:.4g} ms on {n.device}"
        yield f"{n.metric} {n.value:.2f}, {timed} ({n.task}, {n.trainings} trainings):"
        yield f"  {n.arch}"
    for finding in answer.claims:
        yield from _finding_lines(finding)
    yield from (f"note: {note}" for note in answer.notes)


def _finding_lines(finding: "Finding") -> Iterator[str]:
    name = finding.id[:8] or "computed"
    advice = f"{finding.advice}: " if finding.advice else ""
    span = f"[{finding.low:+.3g}, {finding.high:+.3g}]"
    yield f"{name}  {advice}{finding.statement}"
    aside = finding.accuracy_effect
    cost = "" if aside is None else f"; accuracy {aside:+.3g} %"
    yield f"  {finding.status}, {finding.effect:+.3g} {finding.unit} {span}{cost}"
    yield f"  {finding.why}"
    yield from (f"  for example {arch}" for arch in finding.examples)


def story_lines(story: "Explanation") -> Iterator[str]:
    """A network's story."""
    yield story.arch
    if not (story.trained or story.twins or story.failures):
        yield "  never trained here"
    for name, seen in (
        ("trained", story.trained),
        ("same network", story.twins),
        ("one choice away", story.neighbours),
    ):
        for s in seen:
            place = f"{s.task} on {s.device}, run {s.run}, generation {s.generation}"
            told = f"{s.metric} {s.value:.2f}, {s.latency_ms:.4g} ms ({place}, by {s.origin})"
            yield f"  {name}: {told}" + ("" if s.arch == story.arch else f" {s.arch}")
    yield from (f"  failed: {why}" for why in story.failures)
    yield from (f"  meets {claim_line(h)}" for h in story.claims)
