"""Which recalled heuristics a designer call is shown: chance decides, so that lift is causal."""

from collections.abc import Sequence

import numpy as np

from llm_nas.claims import Heuristic

WITHHELD_SHARE = 0.25
"""Chance that a recalled heuristic is withheld from the Designer."""
RETRIED_SHARE = 0.25
"""Chance that a benched heuristic, recalled to be tried again, is shown."""
RETRIED = 1
"""Benched heuristics recalled for a niche: bad luck can be made good."""


def withhold(
    recalled: Sequence[Heuristic], rng: np.random.Generator
) -> tuple[tuple[Heuristic, ...], tuple[Heuristic, ...]]:
    """Heuristics to show and heuristics to withhold, each in order."""
    draws = rng.random(len(recalled))
    hidden = [
        bool(draw < (1.0 - RETRIED_SHARE if h.benched else WITHHELD_SHARE))
        for h, draw in zip(recalled, draws, strict=True)
    ]
    shown = tuple(h for h, hide in zip(recalled, hidden, strict=True) if not hide)
    return shown, tuple(h for h, hide in zip(recalled, hidden, strict=True) if hide)
