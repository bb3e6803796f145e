"""What a heuristic does for its users, measured by withholding it at random.

Each designer call is shown a random part of the retrieved heuristics. The lift of one of them is
the mean hypervolume gain of children made in calls that saw it minus that of calls from which it
was withheld; because chance decides, the difference is causal. The share of valid children is
compared in the same way.

A heuristic whose whole interval lies below zero is benched: retrieval leaves it out. It is still
tried now and then, so that bad luck can be made good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from llm_nas.evaluation.student import quantile

LEAST_CALLS = 5
"""Calls with and calls without it below which there is no lift."""
BENCH_CALLS = 10
"""Calls on either side before a heuristic may be benched."""
_TAIL = 0.05


class Call(NamedTuple):
    """Means over the children of one designer call."""

    gain: float
    valid: float

    @classmethod
    def of(cls, children: Sequence[tuple[float, bool]]) -> Self:
        """A call by the gain and validity of each of its children, of which there is one."""
        gains, valid = zip(*children, strict=True)
        return cls(sum(gains) / len(gains), sum(valid) / len(valid))


class Side(NamedTuple):
    """Sums over the designer calls on one side."""

    calls: float
    gain: float
    gain_square: float
    valid: float
    valid_square: float

    @classmethod
    def of(cls, calls: Sequence[Call]) -> Self:
        """The sums of some calls."""
        gain, valid = ([call[i] for call in calls] for i in (0, 1))
        squares = ([x * x for x in values] for values in (gain, valid))
        gain_square, valid_square = map(sum, squares)
        return cls(len(calls), sum(gain), gain_square, sum(valid), valid_square)


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls that were shown a heuristic and calls that had it withheld."""

    shown: Side
    held: Side

    @property
    def least(self) -> float:
        """Calls on the side that has fewer."""
        return min(self.shown.calls, self.held.calls)


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of means with its 90 % Welch interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Lift:
    """What showing a heuristic changes."""

    gain: Difference
    """Normalised hypervolume a child adds."""
    validity: Difference
    """Share of valid children."""
    calls: int


def lift_of(tally: Tally) -> Lift | None:
    """The lift that sums over calls amount to; None before `LEAST_CALLS` on both sides."""
    if tally.least < LEAST_CALLS:
        return None
    shown, held = tally.shown, tally.held
    return Lift(
        gain=_difference(
            *_moments(shown.calls, shown.gain, shown.gain_square),
            *_moments(held.calls, held.gain, held.gain_square),
        ),
        validity=_difference(
            *_moments(shown.calls, shown.valid, shown.valid_square),
            *_moments(held.calls, held.valid, held.valid_square),
        ),
        calls=int(shown.calls + held.calls),
    )


def in_words(lift: Lift | None) -> str:
    """For the log: the lift with its interval."""
    if lift is None:
        return "lift unknown"
    gain = lift.gain
    return f"lift {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] over {lift.calls} calls"


def harmful(tally: Tally) -> bool:
    """Whether the whole interval lies below zero, after enough calls on both sides."""
    lift = lift_of(tally) if tally.least >= BENCH_CALLS else None
    return lift is not None and lift.gain.high < 0


def _moments(n: float, total: float, squares: float) -> tuple[float, float, float]:
    """Number, mean and squared standard error of the mean, from sums."""
    mean = total / n
    return n, mean, max(squares / n - mean**2, 0.0) / (n - 1)


def _difference(
    n: float, mean: float, error: float, other_n: float, other_mean: float, other_error: float
) -> Difference:
    """First minus second mean; degrees of freedom by Welch and Satterthwaite."""
    both = error + other_error
    spread = error**2 / (n - 1) + other_error**2 / (other_n - 1)
    freedom = both**2 / spread if spread > 0 else n + other_n - 2
    reach = quantile(1 - _TAIL, freedom) * float(np.sqrt(both))
    return Difference(mean - other_mean, mean - other_mean - reach, mean - other_mean + reach)
