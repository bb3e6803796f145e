"""Heuristics for people: lists and stories in the terminal."""

import json
from collections.abc import Sequence
from typing import get_args

from rich.text import Text

from llm_nas.claims import Heuristic, Status
from llm_nas.errors import RequestError
from llm_nas.knowledge.eventlog import Event
from llm_nas.knowledge.explain import Explanation, Seen
from llm_nas.knowledge.playbook import plain

_COLOURS = {
    "trusted": "bold green",
    "supported": "green",
    "proposed": "default",
    "contested": "yellow",
    "retired": "dim",
}


def status_named(name: str | None) -> Status | None:
    """A status from what a person typed; `RequestError` names the known ones."""
    known: tuple[Status, ...] = get_args(Status)
    for status in known:
        if status == name:
            return status
    if name is None:
        return None
    raise RequestError(f"status {name!r}: expected one of {', '.join(known)}")


def listing(found: Sequence[Heuristic]) -> Text:
    """One line per heuristic: id, status, statement, effect with interval, cells, lift."""
    shown = Text()
    for h in found:
        status = h.status + (" (benched)" if h.benched else "")
        tested = f"; {h.evidence.cells} cells" if h.evidence.cells else ""
        lift = "" if h.lift is None else f"; lift {lift_words(h)}"
        shown.append(f"{h.id[:8]}  ")
        shown.append(f"{status:<9}", style=_COLOURS[h.status])
        shown.append(f"  {h.claim.statement}: {effect_words(h)}{tested}{lift}\n")
    shown.rstrip()
    return shown


def effect_words(heuristic: Heuristic) -> str:
    """Mean effect with interval and unit, or 'untested'."""
    evidence = heuristic.evidence
    if evidence.method == "none":
        return "untested"
    unit = heuristic.claim.effect.unit
    return f"{evidence.mean_effect:+.3g} [{evidence.low:+.3g}, {evidence.high:+.3g}] {unit}"


def lift_words(heuristic: Heuristic) -> str:
    """Lift with its interval."""
    numbers = heuristic.lift, heuristic.lift_low, heuristic.lift_high
    lift, low, high = (number or 0.0 for number in numbers)
    return f"{lift:+.4f} [{low:+.4f}, {high:+.4f}]"


def sheet(heuristic: Heuristic) -> Text:
    """Everything about one heuristic."""
    evidence, claim = heuristic.evidence, heuristic.claim
    error_pct = evidence.typical_error_pct
    at = "" if error_pct is None else f", at an error of {error_pct:.3g} %"
    lines = [
        f"{heuristic.id}  {claim.statement}",
        f"status   {heuristic.status}{' (benched)' if heuristic.benched else ''}",
        f"origin   {plain(claim.origin.source)}, generation {claim.origin.generation}",
        f"effect   {effect_words(heuristic)} (90 % interval), {evidence.method}{at}",
        f"votes    {evidence.n_for} for, {evidence.n_against} against",
        f"cells    {evidence.cells} in {evidence.runs} runs: {', '.join(evidence.contexts)}",
    ]
    if heuristic.lift is not None:
        lines.append(f"lift     {lift_words(heuristic)}, {heuristic.lift_calls} calls")
    if heuristic.valid_lift is not None:
        low, high = heuristic.valid_low or 0.0, heuristic.valid_high or 0.0
        lines.append(f"valid    {heuristic.valid_lift:+.3f} [{low:+.3f}, {high:+.3f}] children")
    if claim.wording:
        lines.append(f'wording  "{plain(claim.wording)}"')
    lines += [f"against  {arch}" for arch in evidence.counter_examples]
    lines += [f"conflict {other}" for other in heuristic.conflicts]
    return Text("\n".join(lines))


def steps(events: Sequence[Event]) -> Text:
    """One line per step of a claim."""
    lines: list[str] = []
    for event in events:
        body = json.loads(event.body)
        change = f" {body['from']} -> {body['to']}" if "to" in body else ""
        lines.append(f"{event.ts}  {event.kind}{change}: {plain(str(body.get('reason', '')))}")
    return Text("\n".join(lines))


def story(found: Explanation) -> Text:
    """A cell's story, with the ids of what it rests on."""
    lines = [found.arch, "measured" if found.measured else "never measured"]
    lines += [f"  {_seen(seen)}" for seen in found.measured]
    for child in found.proposed:
        shown = ", ".join(key[:8] for key in child.shown) or "no heuristic"
        worth = f"gain {child.gain:.4f}" if child.valid else "rejected"
        lines.append(
            f"  proposed in {child.run}, generation {child.generation}: {worth}; shown {shown}"
        )
    if found.twins:
        lines.append("the same network, measured as")
        lines += [f"  {seen.arch}: {_seen(seen)}" for seen in found.twins]
    lines.append("claims it meets" if found.claims else "meets no supported claim")
    lines += [f"  [{h.id[:8]}] {h.claim.statement}: {effect_words(h)}" for h in found.claims]
    if found.neighbours:
        lines.append("measured one edge away")
        lines += [f"  {seen.arch}: {_seen(seen)}" for seen in found.neighbours]
    return Text("\n".join(lines))


def _seen(seen: Seen) -> str:
    where = f"{seen.dataset}/{seen.device}, run {seen.run}, generation {seen.generation}"
    return f"{seen.predicted_accuracy_pct:.2f} %, {seen.latency_ms:.3g} ms ({where})"
