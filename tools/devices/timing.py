"""From sessions of a runner to one timing with an interval; notices noise and throttling."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from llm_nas.tools.devices.client import Sessions

QUIET_WIDTH = 0.15
"""Interval over median up to which a timing counts as quiet."""
_ROUNDS = 3
_DIGITS = 6
"""Nanoseconds: more digits of a millisecond are no measurement."""
_DRIFT = 0.10
"""Every session slower than the one before, in sum by this share: the device throttles."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one ONNX file: median of sessions, their least and greatest."""

    median_ms: float
    low_ms: float
    high_ms: float
    n: int
    """Sessions behind the interval."""
    runs: int
    """Timed runs in them."""
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        """Width of the interval over the median."""
        return (self.high_ms - self.low_ms) / self.median_ms


def steady(once: Callable[[], Sessions]) -> Latency:
    """Time a network until it is quiet, three rounds at most; the quietest round counts."""
    rounds = [_latency(once())]
    while rounds[-1].width > QUIET_WIDTH and len(rounds) < _ROUNDS:
        rounds.append(_latency(once()))
    best = min(rounds, key=lambda latency: latency.width)
    return Latency(
        best.median_ms, best.low_ms, best.high_ms, best.n, best.runs, _told(best, rounds)
    )


def _latency(sessions: Sessions) -> Latency:
    medians = sessions.medians_ms
    notes = ("slower from session to session: the device may be throttling",)
    return Latency(
        median_ms=round(statistics.median(medians), _DIGITS),
        low_ms=round(min(medians), _DIGITS),
        high_ms=round(max(medians), _DIGITS),
        n=len(medians),
        runs=sessions.runs,
        notes=notes if _throttles(medians) else (),
    )


def _throttles(medians: Sequence[float]) -> bool:
    rising = all(later > earlier for earlier, later in pairwise(medians))
    return len(medians) > 2 and rising and medians[-1] > (1 + _DRIFT) * medians[0]


def _told(best: Latency, rounds: Sequence[Latency]) -> tuple[str, ...]:
    notes = list(best.notes)
    if len(rounds) > 1:
        notes.append(f"noisy: timed {len(rounds)} times, the quietest kept")
    if best.width > QUIET_WIDTH:
        notes.append(f"still noisy: the interval is {100 * best.width:.0f} % of the median wide")
    return tuple(notes)
