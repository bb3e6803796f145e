"""Failure signatures, and the counter-measures a plan takes against them.

Both read only what was measured before a generation, so a resumed run decides the same.
"""

from collections.abc import Sequence

import numpy as np

from llm_nas.domain import Measurement
from llm_nas.evaluation.remedies import PROBE_SHARE, REST, Remedy, in_words, joined, restrain
from llm_nas.evaluation.signatures import Signature, Tally, detect
from llm_nas.graph.context import SearchContext
from llm_nas.ports import Pick

_RESERVES = 12
"""Picks beyond a generation's slots among which one inside an empty range is looked for."""
_STREAM = 1
"""Keeps these draws apart from the plan's own."""


def signatures_after(context: SearchContext, generation: int) -> tuple[Signature, ...]:
    """What seems to go wrong once a generation was measured; nothing before the first."""
    outcomes = context.ledger.outcomes(generation=generation)
    latency_ms = context.latency.values_ms
    tallies = [
        Tally(
            niche=o.niche,
            source=source,
            raw=counts.raw,
            rejected=tuple(v for v in o.rejected if v.proposal.source == source),
        )
        for o in outcomes
        for source, counts in o.counts_by.get("source", {}).items()
    ]
    return detect(
        context.ledger.measured(before=generation + 1),
        tallies,
        {o.niche: latency_ms[context.partition.members(o.niche)] for o in outcomes},
        context.request.generations,
    )


def reserves(found: Sequence[Signature]) -> int:
    """How many picks beyond its slots a plan should ask the Advisor for."""
    return _RESERVES if any(s.kind == "clustering" for s in found) else 0


class Remedies:
    """Takes measures for one generation: at most one a niche and kind, few of them probes."""

    def __init__(
        self,
        context: SearchContext,
        generation: int,
        measured: Sequence[Measurement],
        picks: Sequence[Pick],
        slots: int,
    ) -> None:
        """Take the Advisor's picks, best first; those beyond `slots` are reserves."""
        self._scout = context.scout
        self._operators = context.agents.offline_designer.source
        self._measured = measured
        self._picks = picks[:slots]
        self._reserves = picks[slots:]
        self._probes_left = int(PROBE_SHARE * slots)
        self._rng = np.random.default_rng([context.request.seed, generation, _STREAM])
        recent = range(max(0, generation - REST), generation)
        past = [o for g in recent for o in context.ledger.outcomes(generation=g)]
        taken = [r for o in past for r in o.remedies if r.probe]
        self._resting = {(r.kind, r.niche if r.aims_ms else "") for r in taken}

    def against(self, found: Sequence[Signature]) -> tuple[Remedy, ...]:
        """The measures, in the signatures' order."""
        return tuple(r for s in found if (r := self._against(s)) is not None)

    def _against(self, signature: Signature) -> Remedy | None:
        match signature.kind:
            case "clustering":
                return self._aim(signature)
            case "stagnation":
                return self._explore(signature)
            case _:
                return restrain(signature, self._operators)

    def _may_probe(self, kind: str, niche: str) -> bool:
        return self._probes_left > 0 and (kind, niche) not in self._resting

    def _aim(self, signature: Signature) -> Remedy:
        """Parents and prompts aim at the empty ranges; one slot goes there if it may pay."""
        niche, aims = signature.niche, joined(signature.gaps_ms)
        probe, slot = "", "no slot for it"
        if any(self._reaches(pick, niche, aims) for pick in self._picks):
            slot = "the Advisor goes there by itself"
        elif self._may_probe("clustering", niche):
            probe, slot = self._inside(niche, aims)
        self._probes_left -= bool(probe)
        taken = f"aimed at {in_words(aims)}; {slot}"
        return Remedy(kind="clustering", niche=niche, aims_ms=aims, probe=probe, taken=taken)

    def _inside(self, niche: str, aims: tuple[tuple[float, float], ...]) -> tuple[str, str]:
        """A cell inside the ranges, and why this one; the Advisor's choice where it makes any."""
        if not self._picks:
            cell = self._scout.within(niche, aims, self._measured, self._rng)
            return cell, "one slot for a fresh cell" if cell else "no cell is left there"
        better = (p.arch for p in self._reserves if self._reaches(p, niche, aims))
        cell = next(better, "")
        slot = "one slot for the Advisor's best cell" if cell else "the Advisor sees no gain"
        return cell, f"{slot} there"

    def _reaches(self, pick: Pick, niche: str, aims: Sequence[tuple[float, float]]) -> bool:
        latency_ms = self._scout.latency_ms(pick.arch)
        return pick.niche == niche and any(a <= latency_ms <= b for a, b in aims)

    def _explore(self, signature: Signature) -> Remedy | None:
        """One slot for a fresh cell from where fewest were measured."""
        thin = self._scout.thinnest(self._measured)
        if thin is None or not self._may_probe(signature.kind, ""):
            return None
        niche, band = thin
        probe = self._scout.within(niche, [band], self._measured, self._rng)
        self._probes_left -= 1
        taken = f"one slot for a fresh cell at {in_words([band])}, where fewest were measured"
        return Remedy(kind=signature.kind, niche=niche, probe=probe, taken=taken)
