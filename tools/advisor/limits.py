"""Hard limits as constraints: how probable it is that an architecture meets them."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from llm_nas.domain import Arch, FloatArray, Limits
from llm_nas.ports import SearchSpace

CERTAIN = 0.05
"""Below this probability an architecture is left out."""


def feasibility(
    space: SearchSpace,
    limits: Limits,
    archs: Sequence[Arch],
    latency_ms: FloatArray,
    deviation_ms: FloatArray,
) -> FloatArray:
    """Probability of meeting every limit, `(n,)`; 0 where the device gives no latency."""
    known = np.isfinite(latency_ms)
    probability = known.astype(np.float64)
    if limits.max_latency_ms is not None:
        probability *= _below(limits.max_latency_ms, latency_ms, deviation_ms)
    asked = {"params_m": limits.max_params_m, "macs_m": limits.max_macs_m}
    if any(limit is not None for limit in asked.values()):
        quantities = space.quantities(archs)
        for name, limit in asked.items():
            if limit is not None and name in quantities:
                probability *= quantities[name] <= limit
    return np.where(probability < CERTAIN, 0.0, probability)


def _below(limit: float, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """Probability that a latency lies at or below a limit."""
    exact = ~(deviation > 0.0)
    spread = np.where(exact, 1.0, deviation)
    with np.errstate(invalid="ignore"):
        inside = np.where(exact, mean <= limit, ndtr((limit - mean) / spread))
    return np.where(np.isfinite(mean), inside, 0.0)
