"""Adaptive slots: children come from the language model and from the offline Designer.

The first generation is the offline Designer's: the cells measured then steer all later ones,
and a few bad ones cost more than any later mistake. After it each niche is a small bandit.
Gains shrink as a search goes on, so only generations in which both sources had children
count, each scaled by its best gain. Slots follow the square of what a source was worth; a model
is doubted until it has shown something. It gets one slot every few generations anyhow, at
another time in every niche, and the offline Designer keeps one where there are two, so that
either can come back. A weak model costs little; a strong one takes most slots.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Proposal
from llm_nas.ports import Designer, NicheView

FADE = 0.7
"""Weight of a child's gain relative to that of the next one of its source."""
ONLY_SHARE = 0.5
"""Share of slots of the model in a run of a single generation, which has nothing to go by."""
OFFLINE_PRIOR = 0.5
"""Gain the offline Designer is believed to have before any is known; a model has to show it."""
TRY_EVERY = 4
"""Generations after which a model without slots gets one again."""


class MixedDesigner:
    """Splits a niche's slots between a model and the offline Designer by measured gains."""

    def __init__(self, model: Designer, offline: Designer) -> None:
        self.model = model
        self._offline = offline

    @property
    def source(self) -> str:
        """The model's name: it is the one that can fail."""
        return self.model.source

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        """The model's children in its slots, offline ones in the others; then what is left over.

        Where one of the first `view.slots` is rejected, a left-over of the model takes its
        place before one of the offline Designer. `ModelReplyError` passes through.
        """
        wanted = model_slots(view.gains, self.model.source, self._offline.source, view)
        spare = self._offline.propose(view, heuristics, rng)
        if wanted == 0:
            return spare
        own = self.model.propose(replace(view, slots=wanted), heuristics, rng)
        others = view.slots - wanted
        return (*own[:wanted], *spare[:others], *own[wanted:], *spare[others:])


def worth(gains: Sequence[float], prior: float = 0.0) -> float:
    """Discounted mean gain per evaluation, the newest weighing most, with one made-up `prior`."""
    weights = FADE ** np.arange(len(gains))[::-1]
    return float(weights @ np.array(gains) + prior) / (float(weights.sum()) + 1.0)


def model_slots(
    gains: Mapping[str, Sequence[float]], model: str, offline: str, view: NicheView
) -> int:
    """How many of `view.slots` the model gets in this niche and generation.

    Probes of counter-measures are the offline Designer's; a restrained model gets one slot.
    """
    most = 1 if model in view.restrained else view.slots
    return min(_earned_slots(gains, model, offline, view), most, view.slots - len(view.probes))


def _earned_slots(
    gains: Mapping[str, Sequence[float]], model: str, offline: str, view: NicheView
) -> int:
    if view.generation == 0:
        share = ONLY_SHARE if view.generations == 1 else 0.0
        return int(share * view.slots + 0.5)
    mine = max(0.0, worth(gains.get(model, ()))) ** 2
    other = max(0.0, worth(gains.get(offline, ()), OFFLINE_PRIOR)) ** 2
    turn = (view.generation + zlib.crc32(view.niche.id.encode())) % TRY_EVERY == 0
    least, most = int(turn and view.slots > 1), max(view.slots - 1, 1)
    return min(max(int(mine / (mine + other) * view.slots + 0.5), least), most, view.slots)
