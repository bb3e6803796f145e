"""What the process models: the logarithm of an error's distance from a floor.

The floor lies a share of the observed spread below the least error, so that differences among
good networks count as much as those among poor ones, whether the best error is 30 %, .3 % or a
logarithm of a perplexity: moving or stretching all errors moves or stretches the floor alike.
"""

from dataclasses import dataclass

import numpy as np

from llm_nas.domain import FloatArray

SHARES = (0.25, 1.0, 4.0)
"""Distances from the floor to the least error, in spreads (median less least error).

Far floors leave errors nearly as they are, close ones stretch the good end. Which one a process
explains best is for the data to say.
"""
DOUBT = 3.0
"""Log odds against any but the first before the data speak."""


@dataclass(frozen=True, slots=True)
class LogAbove:
    """Errors as logarithms of their distance from a floor."""

    floor: float

    def heights(self, errors: FloatArray) -> FloatArray:
        """Distances from the floor, positive for everything that was observed."""
        return np.asarray(errors - self.floor, dtype=np.float64)

    def targets(self, errors: FloatArray) -> FloatArray:
        """What the process models, `(n,)`."""
        return np.log(self.heights(errors))

    def means(self, mean_log: FloatArray, variance: FloatArray) -> FloatArray:
        """Expected errors (means, not medians) of log-normal heights."""
        return self.floor + np.exp(mean_log + variance / 2.0)


def log_above(errors: FloatArray, share: float = SHARES[0]) -> LogAbove:
    """The scale for some observed errors `(n,)`, n >= 1."""
    least = float(np.min(errors))
    spread = float(np.median(errors)) - least
    if spread <= 0.0:
        spread = float(np.max(errors)) - least
    if spread <= 0.0:
        spread = abs(least) or 1.0
    return LogAbove(least - share * spread)
