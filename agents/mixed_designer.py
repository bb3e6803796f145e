"""Adaptive slots: children come from the language model and from the offline Designer.

Each niche is a small bandit. Gains shrink as a search goes on, so only generations in which
both sources had children count, each scaled by its best gain; the first generation, in which
nobody knows anything, does not count. Slots follow the square of what a source was worth. A
source that is behind gets a slot every few generations, at another time in every niche, so that it
can come back. A weak model costs little; a strong one takes over.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Proposal
from llm_nas.errors import ModelReplyError
from llm_nas.ports import Designer, NicheView

FADE = 0.7
"""Weight of a child's gain relative to that of the next one of its source."""
FIRST_SHARE = 0.5
"""Share of slots of the model in the first generation."""
TRY_EVERY = 4
"""Generations after which a model without slots gets one again."""


class MixedDesigner:
    """Splits a niche's slots between a model and the offline Designer by measured gains."""

    def __init__(self, model: Designer, offline: Designer) -> None:
        self._model = model
        self._offline = offline

    @property
    def source(self) -> str:
        """The model's name: it is the one that can fail."""
        return self._model.source

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        """The model's children, then as many offline ones as the niche has slots in all.

        Offline children stand behind: where the model's are rejected or it fails, they take
        their place. `ModelReplyError` passes through when the model had all slots to itself.
        """
        wanted = model_slots(view.gains, self._model.source, self._offline.source, view)
        spare = self._offline.propose(view, heuristics, rng)
        if wanted == 0:
            return spare
        try:
            own = self._model.propose(replace(view, slots=wanted), heuristics, rng)
        except ModelReplyError:
            if wanted == view.slots:
                raise
            return spare
        return (*own[:wanted], *spare[: view.slots - len(own[:wanted])])


def worth(gains: Sequence[float]) -> float:
    """Discounted mean gain per evaluation, 0 for none; the newest weighs most."""
    if not gains:
        return 0.0
    weights = FADE ** np.arange(len(gains))[::-1]
    return max(0.0, float(np.average(gains, weights=weights)))


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
        return int(FIRST_SHARE * view.slots + 0.5)
    mine, other = worth(gains.get(model, ())) ** 2, worth(gains.get(offline, ())) ** 2
    share = mine / (mine + other) if mine > 0.0 else 0.0
    slots = int(share * view.slots + 0.5)
    turn = (view.generation + zlib.crc32(view.niche.id.encode())) % TRY_EVERY == 0
    return 1 if slots == 0 and turn and view.slots > 1 else slots
