"""Beyond which latency and error nothing counts."""

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.tools.accuracy.process import Belief
from llm_nas.tools.advisor.improvement import Reference, Staircase, staircase
from llm_nas.tools.advisor.pool import Described

MARGIN = 1.6
"""The reference lies this many extents of the observed front behind its ideal."""
BELIEVED_MARGIN = 1.1
"""The same for the front that is believed to exist, which ends where the true one does."""
HOPE = 0.0
"""Deviations by which networks of the believed front are taken to be better than expected."""


def reference_of(
    latency_ms: FloatArray, height: FloatArray, chance: float, pool: Described, belief: Belief
) -> Reference:
    """The farther of what the observed front and what the believed one ask for.

    A reference close behind the observed front hides whatever lies beyond its slow end: the
    search would never look there. `height` and `chance` are errors above the floor; networks at
    chance level are left out, unless all are.
    """
    useful = height < chance
    if useful.any():
        latency_ms, height = latency_ms[useful], height[useful]
    observed = _behind(staircase(latency_ms, height), MARGIN)
    usable = pool.feasible > 0.0
    hoped = np.exp(belief.mean - HOPE * np.sqrt(belief.variance))[usable]
    believed = staircase(np.append(latency_ms, pool.latency_ms[usable]), np.append(height, hoped))
    beyond = _behind(believed, BELIEVED_MARGIN)
    latency = max(observed.latency_ms, beyond.latency_ms)
    error = max(observed.error, beyond.error)
    return Reference(latency, min(error, chance))


def _behind(front: Staircase, margin: float) -> Reference:
    latency, error = front.latency_ms, front.error
    return Reference(
        float(latency[0] + margin * (latency[-1] - latency[0])),
        float(error[-1] + margin * (error[0] - error[-1])),
    )
