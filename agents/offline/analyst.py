"""The offline Analyst: proposes what measured networks seem to say, no language model.

It looks at one half of the measured networks, so that the other half can test what it proposes.
Whether a claim holds is not its call: the knowledge base computes evidence and decides.
"""

import zlib
from collections.abc import Sequence
from functools import lru_cache

from llm_nas.agents.offline.effects import Effect, apparent_effects
from llm_nas.claims import Claim, Heuristic, Origin, Scope
from llm_nas.claims import Effect as ClaimedEffect
from llm_nas.conditions import matches
from llm_nas.domain import Arch
from llm_nas.ports import Analysis, NicheView, SearchSpace

FEWEST_NETWORKS = 8
"""Networks looked at below which an effect is not worth a sentence."""
MOST_CLAIMS = 8
CLEAR = 2.0
"""Least |t| of a proposed claim."""


class OfflineAnalyst:
    """Proposes claims about choices, counts and quantities from apparent effects."""

    source = "offline"

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._facts = lru_cache(maxsize=4096)(space.facts)

    def study(self, view: NicheView, heuristics: Sequence[Heuristic]) -> Analysis:
        """The clearest claims of conditions that a network of this niche meets, and no votes."""
        seen = [m for m in view.measured if is_shown(m.arch)]
        if len(seen) < FEWEST_NETWORKS:
            return Analysis(note=f"{len(seen)} networks to look at: too few to say anything")
        effects = apparent_effects(self._space, seen, view.metric, self._facts)
        own = [self._facts(m.arch) for m in seen if m.niche == view.niche.id]
        clear = [
            e
            for e in effects
            if e.clarity >= CLEAR and any(matches(e.condition, facts) for facts in own)
        ]
        known = view.known_claims | {h.claim.key for h in heuristics}
        archs = tuple(m.arch for m in seen)
        claims = [_claim(view, self.source, effect, archs) for effect in clear]
        fresh = [claim for claim in claims if claim.key not in known][:MOST_CLAIMS]
        note = f"{len(clear)} clear effects in {len(seen)} networks; {len(fresh)} proposed"
        return Analysis(claims=tuple(fresh), note=note)


def is_shown(arch: Arch) -> bool:
    """Whether an Analyst may look at a network: one half may, by the text alone."""
    return zlib.crc32(arch.encode()) % 2 == 0


def _claim(view: NicheView, source: str, effect: Effect, archs: tuple[Arch, ...]) -> Claim:
    by_device = effect.objective == "latency"
    return Claim(
        condition=effect.condition,
        effect=ClaimedEffect(
            objective=effect.objective,
            direction="raises" if effect.size > 0 else "lowers",
            size=float(f"{abs(effect.size):.3g}"),
        ),
        scope=Scope(
            space=view.context.space,
            tasks=() if by_device else (view.context.task,),
            devices=(view.context.device,) if by_device else (),
        ),
        origin=Origin(source=source, generation=view.generation, archs=archs),
    )
