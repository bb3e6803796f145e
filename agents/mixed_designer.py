"""Adaptive slots: children come from the language model and from the offline Designer.

Each niche is a small bandit. A source's worth is the mean normalised hypervolume its children
added in that niche, discounted so that early, easy gains fade; slots follow worth, and a source
that is behind keeps one slot every few generations, so that it can come back. A weak model costs
little, because its slots go to the offline Designer; a strong one takes over.
"""

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
"""Share of slots of the model while nothing is known."""
TRY_EVERY = 3
"""Generations after which a source without slots gets one again."""


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
    """Discounted mean gain per evaluation, newest first in weight."""
    weights = FADE ** np.arange(len(gains))[::-1]
    return float(np.average(gains, weights=weights)) if len(gains) else 0.0


def model_slots(
    gains: Mapping[str, Sequence[float]], model: str, offline: str, view: NicheView
) -> int:
    """How many of `view.slots` the model gets in this niche and generation.

    In proportion to worth, rounded by the generation's turn so that shares below one slot
    are paid out over time; the model is tried again every `TRY_EVERY` generations.
    """
    mine, other = gains.get(model, ()), gains.get(offline, ())
    share = FIRST_SHARE
    if mine and other:
        a, b = max(0.0, worth(mine)), max(0.0, worth(other))
        share = a / (a + b) if a + b > 0.0 else 0.0
    exact = share * view.slots
    slots = int(exact)
    turn = view.generation % TRY_EVERY == 0
    if exact - slots >= FIRST_SHARE or (slots == 0 and turn):
        slots += 1
    return min(slots, view.slots)
