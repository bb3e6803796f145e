"""Are supported claims true? Checked after the fact, where the truth is known.

A search never sees any of this. Claims are checked on random members of the space, the same for
all; pairs of which one network has learned nothing are left out, as in the evidence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from llm_nas.claims import Claim, Heuristic, Objective
from llm_nas.domain import Arch, ContextName, FloatArray
from llm_nas.evaluation.truth import Truth
from llm_nas.frozen import Frozen
from llm_nas.knowledge.claims.evidence import accuracy_scale
from llm_nas.knowledge.claims.pairs import FEWEST, PairSource
from llm_nas.ports import Enumerable

DRAWN = 1_500
"""Random networks a claim is checked on: the mean over their pairs is known within a thirtieth of
their spread, a small part of any interval that sixty trainings give."""
WORST = 10
"""Mistakes an audit lists."""
NEAR_CHANCE = 0.98
"""Share of the error of chance from which a network counts as one that learned nothing."""


class Checked(Frozen):
    """A supported claim beside its true effect."""

    id: str
    objective: Objective
    statement: str
    true_effect: float
    mean_effect: float
    low: float
    high: float
    sign_right: bool
    covered: bool


class Share(Frozen):
    """Shares in [0, 1] over some claims."""

    claims: int
    sign_precision: float
    """Whose direction is right."""
    interval_coverage: float
    """Whose 90 % interval holds the true effect."""


class AuditReport(Frozen):
    """What became of a store's supported claims about one context."""

    claims: int
    sign_precision: float | None
    """None without a supported claim."""
    interval_coverage: float | None
    by_objective: Mapping[str, Share]
    """Objectives without claims are left out; latencies known exactly have nothing to audit."""
    worst: tuple[Checked, ...]
    """Wrong signs first, then missed intervals, by distance in interval widths."""


@dataclass(frozen=True, eq=False)
class Auditor:
    """The truth of one context and the pairs claims are checked on; keeps what it worked out."""

    context: ContextName
    truth: Truth
    pairs: PairSource
    _known: dict[str, float | None] = field(default_factory=dict[str, "float | None"])
    """Mean true changes, by what a claim speaks of."""
    _pools: dict[tuple[str, ...], list[Arch]] = field(
        default_factory=dict[tuple[str, ...], list[Arch]]
    )
    _values: dict[tuple[Objective, Arch], float] = field(
        default_factory=dict[tuple[Objective, Arch], float]
    )

    def audit(self, heuristics: Iterable[Heuristic]) -> AuditReport:
        """Compare the evidence of supported and trusted claims with the truth."""
        believed = [h for h in heuristics if self._concerns(h)]
        told = [self._checked(h) for h in believed]
        found = [c for c in told if c is not None]
        objectives = sorted({c.objective for c in found})
        shares: dict[str, Share] = {
            o: _share([c for c in found if c.objective == o]) for o in objectives
        }
        both = _share(found) if found else None
        wrong = [c for c in found if not (c.sign_right and c.covered)]
        return AuditReport(
            claims=len(found),
            sign_precision=both.sign_precision if both else None,
            interval_coverage=both.interval_coverage if both else None,
            by_objective=shares,
            worst=tuple(sorted(wrong, key=_badness)[:WORST]),
        )

    def _concerns(self, heuristic: Heuristic) -> bool:
        """Whether a believed claim was tested here, by a method that leaves room for error."""
        evidence, objective = heuristic.evidence, heuristic.claim.effect.objective
        if heuristic.status not in ("supported", "trusted") or evidence.method != "process":
            return False
        if objective == "latency":
            return str(self.context) in evidence.contexts
        here = f"{self.context.space}/{self.context.task}/"
        return objective == "accuracy" and any(c.startswith(here) for c in evidence.contexts)

    def _checked(self, heuristic: Heuristic) -> Checked | None:
        evidence, claim = heuristic.evidence, heuristic.claim
        true = self.true_effect(heuristic)
        if true is None:
            return None
        return Checked(
            id=heuristic.id,
            objective=claim.effect.objective,
            statement=claim.statement,
            true_effect=true,
            mean_effect=evidence.mean_effect,
            low=evidence.low,
            high=evidence.high,
            sign_right=true * claim.effect.sign > 0,
            covered=evidence.low <= true <= evidence.high,
        )

    def true_effect(self, heuristic: Heuristic) -> float | None:
        """Mean change over pairs, in the unit and at the value of the evidence; None: untestable.

        One pair is tried for every one of `DRAWN` random networks.
        """
        claim, at = heuristic.claim, heuristic.evidence.at
        objective, niches = claim.effect.objective, claim.scope.niches
        topic = f"{objective}|{niches}|{claim.condition.model_dump_json()}"
        if topic not in self._known:
            self._known[topic] = self._change(claim)
        known = self._known[topic]
        return None if known is None else known * (1.0 if at is None else at)

    def _change(self, claim: Claim) -> float | None:
        """Mean true change over pairs on the scale that is modelled; None: untestable."""
        pairs = self.pairs.pairs(claim, DRAWN, self._archs(claim.scope.niches))
        if len(pairs) < FEWEST:
            return None
        objective = claim.effect.objective
        having = self._scaled(objective, [p.having for p in pairs])
        changes = having - self._scaled(objective, [p.without for p in pairs])
        changes = changes[np.isfinite(changes)]
        return float(changes.mean()) if changes.size else None

    def _archs(self, niches: tuple[str, ...]) -> list[Arch]:
        """Different random members of some niches, or all of them."""
        if niches not in self._pools:
            space, rng = self.pairs.space, np.random.default_rng(0)
            if isinstance(space, Enumerable):
                listed: list[Arch] = list(space)
                order: list[int] = rng.permutation(len(listed)).tolist()
                mixed = [listed[n] for n in order]
                found = (a for a in mixed if not niches or self.pairs.niche_of(a) in niches)
                self._pools[niches] = list(islice(found, DRAWN))
            else:
                within = self.pairs.within(niches)
                self._pools[niches] = [space.sample(rng, within) for _ in range(DRAWN)]
        return self._pools[niches]

    def _scaled(self, objective: Objective, archs: Sequence[Arch]) -> FloatArray:
        """Values on the scale that claims are modelled on; NaN: learned nothing, or no value."""
        missing = list(dict.fromkeys(a for a in archs if (objective, a) not in self._values))
        if missing:
            told = self._true(objective, missing).tolist()
            self._values.update({(objective, a): v for a, v in zip(missing, told, strict=True)})
        return np.array([self._values[objective, a] for a in archs], dtype=np.float64)

    def _true(self, objective: Objective, archs: Sequence[Arch]) -> FloatArray:
        if objective == "latency":
            return self.truth.latencies_ms(archs)
        errors = self.truth.errors(archs)
        scaled = accuracy_scale(self.truth.metric, errors)
        chance = self.truth.chance_error
        return (
            scaled if chance is None else np.where(errors < NEAR_CHANCE * chance, scaled, np.nan)
        )


def _share(found: Sequence[Checked]) -> Share:
    return Share(
        claims=len(found),
        sign_precision=float(np.mean([c.sign_right for c in found])),
        interval_coverage=float(np.mean([c.covered for c in found])),
    )


def _badness(claim: Checked) -> tuple[bool, float]:
    half = max((claim.high - claim.low) / 2, 1e-12)
    return claim.sign_right, -abs(claim.true_effect - claim.mean_effect) / half
