"""Heuristics for people: tables and stories in the terminal."""

from collections.abc import Sequence
from typing import get_args

from rich.table import Table
from rich.text import Text

from llm_nas.claims import Heuristic, Status
from llm_nas.errors import RequestError

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


def table(found: Sequence[Heuristic]) -> Table:
    """One row per heuristic: statement, status, effect with interval, cells, lift."""
    shown = Table(show_lines=False, pad_edge=False)
    for name in ("id", "status", "statement", "effect [90 %]", "cells", "lift", "why"):
        shown.add_column(name, overflow="fold")
    for h in found:
        shown.add_row(
            h.id[:8],
            Text(h.status + (" (benched)" if h.benched else ""), style=_COLOURS[h.status]),
            Text(h.claim.statement),
            Text(effect_words(h)),
            str(h.evidence.cells),
            Text("-" if h.lift is None else f"{h.lift:+.4f}"),
            Text(h.why),
        )
    return shown


def effect_words(heuristic: Heuristic) -> str:
    """Mean effect with interval and unit, or 'untested'."""
    evidence = heuristic.evidence
    if evidence.method == "none":
        return "untested"
    unit = heuristic.claim.effect.unit
    return f"{evidence.mean_effect:+.3g} [{evidence.low:+.3g}, {evidence.high:+.3g}] {unit}"
