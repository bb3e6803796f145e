"""A share of a niche's slots for the model, earned by what its candidates were worth.

Each niche is a small bandit over origins. Gains shrink as a search goes on, so only generations
in which two origins can be compared count, each in shares of its best gain. The model is doubted
until it has shown something, never gets more than its share, and keeps a small one, so that it can
come back. A niche often has a single slot: shares are then turns, spread over generations.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Candidate
from llm_nas.ports import Designer, NicheView

FADE = 0.7
"""Weight of a candidate's gain relative to that of the next one of its origin."""
MODEL_PRIOR = 0.25
"""Gain the model is believed to have before any is known."""
OTHERS_PRIOR = 0.5
"""The same of all other origins together."""
LEAST_SHARE = 0.04
"""Share of slots of a model that has shown nothing."""
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


class MixedDesigner:
    """Splits a niche's slots between a model and the offline Designer by measured gains."""

    def __init__(self, model: Designer, offline: Designer, share: float = 0.3) -> None:
        """Give the model at most `share` of the slots, in the mean over niches."""
        self.model = model
        self._offline = offline
        self._share = share

    @property
    def source(self) -> str:
        """The model's name: it is the one that can fail."""
        return self.model.source

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Candidate, ...]:
        """The model's candidates in its slots, others in the rest; then what is left over.

        `ModelReplyError` passes through. Without a slot the model is not asked.
        """
        wanted = model_slots(view, self.model.source, self._share)
        others = self._offline.propose(view, heuristics, rng)
        if wanted == 0:
            return others
        own = self.model.propose(replace(view, slots=wanted), heuristics, rng)
        left = view.slots - wanted
        return (*own[:wanted], *others[:left], *own[wanted:], *others[left:])


def worth(gains: Sequence[float], prior: float) -> float:
    """Discounted mean gain per training, the newest weighing most, with one made-up `prior`."""
    weights = [FADE**age for age in reversed(range(len(gains)))]
    known = sum(w * g for w, g in zip(weights, gains, strict=True))
    return (known + prior) / (sum(weights) + 1.0)


def earned_share(gains: Mapping[str, Sequence[float]], model: str, most: float) -> float:
    """The share of slots that a model's gains are worth, by squares, within its bounds."""
    mine = max(0.0, worth(gains.get(model, ()), MODEL_PRIOR)) ** 2
    others = [worth(g, OTHERS_PRIOR) for name, g in gains.items() if name != model]
    theirs = max(0.0, max(others, default=OTHERS_PRIOR)) ** 2
    share = mine / (mine + theirs) if mine + theirs > 0.0 else 0.0
    return min(max(share, LEAST_SHARE), most)


def model_slots(view: NicheView, model: str, share: float) -> int:
    """How many of `view.slots` the model gets in this niche and generation.

    None in the opening, which has its own share. Over generations the fractions add up; niches
    have their turns at different times. A restrained model gets one slot at most.
    """
    if view.generation == 0:
        return 0
    expected = earned_share(view.gains, model, share) * view.slots
    start = zlib.crc32(view.niche.id.encode()) / 2**32
    turn = (start + view.generation * _GOLDEN) % 1.0
    most = 1 if model in view.restrained else view.slots
    return min(int(expected + turn), most)
