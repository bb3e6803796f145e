"""How sources are pooled, and when a claim changes status, with the reason that is logged.

Sources are pooled by a random-effects mean (DerSimonian & Laird, Control. Clin. Trials 7, 1986).
Many claims are tested at once, so 'supported' is decided by the Benjamini-Hochberg procedure
(J. R. Stat. Soc. B 57, 1995) over *all* claims proposed about a place, untested and dropped ones
included. To leave 'supported' the evidence has to get clearly weaker than it took to get in: a
status should not flicker with every training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.claims import Claim, Evidence, Objective, Status
from llm_nas.domain import FloatArray
from llm_nas.knowledge.claims.evidence import COUNTER_EXAMPLES, Part

FALSE_SHARE = 0.1
"""Share of supported claims allowed to be false discoveries."""
STAY_P = 0.1
"""A supported claim is contested once its p-value rises above this."""
TRUSTED_P = 1e-3
TRUSTED_RUNS = 2
REFUTED_P = 0.99
"""One-sided p-value in the claimed direction from which the opposite is supported."""
CLEAR = 2.6
"""Standard errors from zero at which a place takes a side."""
SHRINKAGE: Mapping[Objective, float] = {"accuracy": 0.3, "latency": 0.3}
"""Standard deviation of a true effect over its estimate, beside the error of the estimate: a
process draws effects of choices that a search rarely varies towards zero. Chosen like
`llm_nas.knowledge.claims.evidence.ALLOWANCE`; it widens intervals and leaves the test of 'no
effect at all' as it is."""
_Z90 = 1.6448536269514722
DIRECTION_FROM_DATA = frozenset({"grid", "split"})
"""Origins whose direction was read off the same trainings: their tests are two-sided."""


@dataclass(frozen=True, slots=True)
class SourcePart:
    """What one source says, and where it was."""

    place: str
    """`SPACE/TASK` of accuracies, `SPACE/TASK/DEVICE` of latencies."""
    contexts: tuple[str, ...]
    label: str
    """How accuracies were made; empty for latencies."""
    part: Part


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Places where a claim clearly holds and where its opposite does."""

    holds: tuple[str, ...]
    fails: tuple[str, ...]

    @property
    def words(self) -> str:
        """For people: where it holds and where not."""
        return f"true on {', '.join(self.holds)}; false on {', '.join(self.fails)}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides a claim's next status."""

    status: Status
    evidence: Evidence
    families: tuple[str, ...] = ()
    """Places its test was made in, or could be made in once there are trainings."""
    voted_out: bool = False
    """Whether an analyst asked for its retirement."""
    split: Disagreement | None = None
    """Where it holds and where it does not, when its places clearly disagree."""


@dataclass(frozen=True, slots=True)
class Step:
    """A status and why; equal to the old status when nothing changed."""

    status: Status
    reason: str


def pool(claim: Claim, parts: Sequence[SourcePart]) -> Evidence:
    """Evidence of independent sources together; `method` is 'none' without any."""
    if not parts:
        return Evidence()
    means = np.array([p.part.mean for p in parts])
    variances = np.array([p.part.variance for p in parts])
    mean, variance = random_effects(means, variances)
    typical = float(np.mean([p.part.typical for p in parts]))
    spread = float(np.mean([p.part.spread for p in parts]))
    exact = all(p.part.exact for p in parts)
    doubt = 0.0 if exact else SHRINKAGE.get(claim.effect.objective, 0.0) * mean
    half = _Z90 * math.hypot(math.sqrt(variance), doubt)
    tail = _upper_tail(mean * claim.effect.sign / math.sqrt(variance))
    doubled = claim.origin.source in DIRECTION_FROM_DATA
    against = dict.fromkeys(arch for p in parts for arch in p.part.against)
    return Evidence(
        method="matched pairs" if exact else "process",
        n_for=sum(p.part.n_for for p in parts),
        n_against=sum(p.part.n_against for p in parts),
        mean_effect=mean * typical,
        low=(mean - half) * typical,
        high=(mean + half) * typical,
        counter_examples=tuple(against)[:COUNTER_EXAMPLES],
        p_value=min(1.0, 2.0 * tail) if doubled and tail <= 0.5 else tail,
        archs=sum(p.part.archs for p in parts),
        contexts=tuple(sorted({name for p in parts for name in p.contexts})),
        labels=tuple(sorted({p.label for p in parts if p.label})),
        at=None if typical == 1.0 else typical,
        runs=len(parts),
        spread=spread * typical,
    )


def random_effects(means: FloatArray, variances: FloatArray) -> tuple[float, float]:
    """Mean of independent estimates `(n,)` and its variance, the spread between them included."""
    weights = 1.0 / variances
    fixed = float(weights @ means / weights.sum())
    excess = float(weights @ (means - fixed) ** 2) - (len(means) - 1)
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    between = max(0.0, excess / scale) if scale > 0 else 0.0
    weights = 1.0 / (variances + between)
    return float(weights @ means / weights.sum()), float(1.0 / weights.sum())


def disagreement(parts: Sequence[SourcePart], sign: int) -> Disagreement | None:
    """Where the places of a claim take opposite sides; None when they do not."""
    holds: list[str] = []
    fails: list[str] = []
    for place in sorted({p.place for p in parts}):
        own = [p.part for p in parts if p.place == place]
        means, variances = np.array([p.mean for p in own]), np.array([p.variance for p in own])
        mean, variance = random_effects(means, variances)
        if abs(mean) >= CLEAR * math.sqrt(variance):
            (holds if mean * sign > 0 else fails).append(place)
    return Disagreement(tuple(holds), tuple(fails)) if holds and fails else None


def discovery_bar(p_values: Sequence[float], share: float = FALSE_SHARE) -> float:
    """Largest p-value that Benjamini-Hochberg accepts at a false discovery rate, 0 for none."""
    ordered = np.sort(np.array(p_values))
    allowed = share * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    passing = np.flatnonzero(ordered <= allowed)
    return float(ordered[passing[-1]]) if passing.size else 0.0


def bars(standings: Sequence[Standing]) -> Mapping[str, float]:
    """The bar of every family: all claims proposed about a place, untested ones at p = 1."""
    families: dict[str, list[float]] = {}
    for standing in standings:
        p = standing.evidence.p_value
        for family in standing.families:
            families.setdefault(family, []).append(1.0 if p is None else p)
    return {family: discovery_bar(values) for family, values in families.items()}


def decide(standings: Sequence[Standing]) -> list[Step]:
    """Next status of claims that were tested together, in order."""
    found = bars(standings)
    return [_next(s, min((found[f] for f in s.families), default=0.0)) for s in standings]


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
    """Whether measured matched pairs contradict the process: clearly more against than for."""
    return evidence.n_against > 2 * evidence.n_for and evidence.n_against >= 3


def _untested(standing: Standing) -> Step:
    if standing.voted_out and standing.status == "proposed":
        return Step("retired", "the analyst dropped it before any training could test it")
    return Step(standing.status, "")


def _refuted(status: Status, numbers: str) -> Step:
    """The opposite is true: a claim that was believed is contested first, then retired."""
    if status in ("supported", "trusted"):
        return Step("contested", f"the evidence has turned: {numbers}")
    return Step("retired", f"trainings say the opposite: {numbers}")


def _passed(standing: Standing, numbers: str) -> Step:
    p = standing.evidence.p_value
    if standing.evidence.runs >= TRUSTED_RUNS and p is not None and p <= TRUSTED_P:
        return Step("trusted", f"held in {standing.evidence.runs} independent runs: {numbers}")
    if standing.status == "trusted":
        return Step("trusted", "")
    return Step("supported", f"passed the test: {numbers}")


def _numbers(evidence: Evidence) -> str:
    p = 1.0 if evidence.p_value is None else evidence.p_value
    return (
        f"mean {evidence.mean_effect:+.3g} [{evidence.low:+.3g}, {evidence.high:+.3g}], "
        f"p={p:.2g}, {evidence.archs} trainings, pairs {evidence.n_for} for and "
        f"{evidence.n_against} against"
    )


def _upper_tail(z: float) -> float:
    """Chance that a standard normal number exceeds `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))
