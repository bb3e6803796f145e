"""What a heuristic does for its users, measured by withholding it at random.

Each designer call is shown a random part of the retrieved heuristics. The lift of one of them is
the mean hypervolume gain of children made in calls that saw it minus that of calls from which it
was withheld; because chance decides, the difference is causal.
"""

from dataclasses import dataclass

import numpy as np

from llm_nas.knowledge.student import quantile

LEAST_CALLS = 5
"""Calls with and calls without it below which there is no lift."""
BENCH_CALLS = 10
"""Calls on either side before a heuristic may be benched."""
_TAIL = 0.05


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over designer calls that were shown a heuristic and calls that had it withheld."""

    shown: int
    shown_gain: float
    shown_square: float
    held: int
    held_gain: float
    held_square: float
    shown_valid: float
    held_valid: float


@dataclass(frozen=True, slots=True)
class Lift:
    """Difference in mean gain (normalised hypervolume) with its 90 % Welch interval."""

    mean: float
    low: float
    high: float
    calls: int
    validity: float
    """Difference in the share of valid children."""


def lift_of(tally: Tally) -> Lift | None:
    """The lift that sums over calls amount to; None before `LEAST_CALLS` on both sides."""
    if min(tally.shown, tally.held) < LEAST_CALLS:
        return None
    shown_mean, shown_error = _moments(tally.shown, tally.shown_gain, tally.shown_square)
    held_mean, held_error = _moments(tally.held, tally.held_gain, tally.held_square)
    error = shown_error + held_error
    # Welch-Satterthwaite degrees of freedom.
    spread = shown_error**2 / (tally.shown - 1) + held_error**2 / (tally.held - 1)
    freedom = error**2 / spread if spread > 0 else float(tally.shown + tally.held - 2)
    reach = quantile(1 - _TAIL, freedom) * float(np.sqrt(error))
    mean = shown_mean - held_mean
    validity = tally.shown_valid / tally.shown - tally.held_valid / tally.held
    return Lift(mean, mean - reach, mean + reach, tally.shown + tally.held, validity)


def in_words(lift: Lift | None) -> str:
    """For the log: the lift with its interval."""
    if lift is None:
        return "lift unknown"
    return f"lift {lift.mean:+.4f} [{lift.low:+.4f}, {lift.high:+.4f}] over {lift.calls} calls"


def harmful(tally: Tally) -> bool:
    """Whether the whole interval lies below zero, after enough calls on both sides."""
    if min(tally.shown, tally.held) < BENCH_CALLS:
        return False
    lift = lift_of(tally)
    return lift is not None and lift.high < 0


def _moments(n: int, total: float, squares: float) -> tuple[float, float]:
    """Mean and squared standard error of a mean from sums."""
    mean = total / n
    return mean, max(squares / n - mean**2, 0.0) / (n - 1)
