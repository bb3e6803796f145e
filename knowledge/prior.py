"""What inherited heuristics say of every cell, as one score the search may weigh.

Each supported claim about accuracy adds its measured effect to the cells that meet its
condition. Claims overlap, so the sum is no prediction in %; the search scales it and lets its
own measurements decide how much it is worth.
"""

from collections.abc import Sequence

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import FloatArray
from llm_nas.knowledge.masks import SpaceTable
from llm_nas.ports import SearchSpace


def accuracy_prior(space: SearchSpace, heuristics: Sequence[Heuristic]) -> FloatArray | None:
    """Score `(size,)` that should rise with accuracy; None without supported claims about it."""
    useful = [
        h
        for h in heuristics
        if h.claim.effect.objective == "accuracy" and h.status in ("supported", "trusted")
    ]
    if not useful:
        return None
    table = SpaceTable(space)
    score = np.zeros(space.size)
    for heuristic in useful:
        score += heuristic.evidence.mean_effect * table.mask(heuristic.claim.condition)
    return score
