"""When a claim changes status, and the reason that goes into the log.

Many claims are tested at once, so 'supported' is decided by the Benjamini-Hochberg procedure
over all claims of a context (Benjamini & Hochberg, J. R. Stat. Soc. B 57, 1995), not claim by
claim. To leave 'supported' the evidence has to get clearly weaker than it took to get in:
a status should not flicker with every new cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.claims import Evidence, Status
from llm_nas.domain import FloatArray
from llm_nas.knowledge.contradictions import Disagreement

FALSE_SHARE = 0.1
"""Share of supported claims allowed to be false discoveries."""
STAY_P = 0.1
"""A supported claim is contested once its p-value rises above this."""
TRUSTED_P = 1e-3
TRUSTED_RUNS = 2
REFUTED_P = 0.99
"""One-sided p-value in the claimed direction from which the opposite is supported."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides a claim's next status."""

    status: Status
    evidence: Evidence
    voted_out: bool = False
    """Whether an analyst asked for its retirement."""
    split: Disagreement | None = None
    """Where it holds and where it does not, when its contexts clearly disagree."""


@dataclass(frozen=True, slots=True)
class Step:
    """A status and why; equal to the old status when nothing changed."""

    status: Status
    reason: str


def discovery_bar(p_values: FloatArray, share: float = FALSE_SHARE) -> float:
    """Largest p-value that Benjamini-Hochberg accepts at a false discovery rate, 0 for none."""
    ordered = np.sort(p_values)
    allowed = share * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    passing = np.flatnonzero(ordered <= allowed)
    return float(ordered[passing[-1]]) if passing.size else 0.0


def decide(standings: Sequence[Standing]) -> list[Step]:
    """Next status of claims that were tested together, in order."""
    tested = [s.evidence.p_value for s in standings if s.evidence.p_value is not None]
    bar = discovery_bar(np.array(tested))
    return [_next(standing, bar) for standing in standings]


def _next(standing: Standing, bar: float) -> Step:
    p = standing.evidence.p_value
    if p is None:
        return _untested(standing)
    if standing.split is not None:
        return Step("contested", standing.split.words)
    numbers = _numbers(standing.evidence)
    if p >= REFUTED_P:
        return _refuted(standing.status, numbers)
    if p <= bar and not _outvoted(standing.evidence):
        return _passed(standing, numbers)
    if standing.status in ("supported", "trusted"):
        if p <= STAY_P:
            return Step(standing.status, "")
        return Step("contested", f"the evidence has weakened: {numbers}")
    if standing.voted_out and standing.status == "proposed":
        return Step("retired", f"the analyst dropped it and it has no support: {numbers}")
    return Step(standing.status, "")


def _outvoted(evidence: Evidence) -> bool:
    """Whether more measured pairs speak against a claim than for it."""
    return evidence.method == "matched pairs" and evidence.n_against > evidence.n_for


def _untested(standing: Standing) -> Step:
    if standing.voted_out and standing.status == "proposed":
        return Step("retired", "the analyst dropped it before any cell could test it")
    return Step(standing.status, "")


def _refuted(status: Status, numbers: str) -> Step:
    """The opposite is true: a claim that was believed is contested first, then retired."""
    if status in ("supported", "trusted"):
        return Step("contested", f"the evidence has turned: {numbers}")
    return Step("retired", f"measured cells say the opposite: {numbers}")


def _passed(standing: Standing, numbers: str) -> Step:
    p = standing.evidence.p_value
    if standing.evidence.runs >= TRUSTED_RUNS and p is not None and p <= TRUSTED_P:
        return Step("trusted", f"held in {standing.evidence.runs} runs: {numbers}")
    if standing.status == "trusted":
        return Step("trusted", "")
    return Step("supported", f"passed the test: {numbers}")


def _numbers(evidence: Evidence) -> str:
    p = 1.0 if evidence.p_value is None else evidence.p_value
    return (
        f"mean {evidence.mean_effect:+.3g} [{evidence.low:+.3g}, {evidence.high:+.3g}], "
        f"p={p:.2g}, {evidence.method}, {evidence.cells} cells"
    )
