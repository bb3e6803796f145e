"""What a heuristic does for its users, measured by withholding it at random.

Each call of a Designer that reads is shown a random part of the recalled heuristics. The lift of
one of them is the mean hypervolume gain of networks made in calls that saw it minus that of calls
from which it was withheld; because chance decides, the difference is causal. Networks of one call
share their prompt and are no independent looks, so the unit is the call: its mean counts once.
"""

import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from llm_nas.ports import Lesson

LEAST_CALLS = 5
"""Calls with and calls without it below which there is no lift."""
BENCH_CALLS = 10
"""Calls on either side before a heuristic may be benched."""
_TAIL = 0.05

SCHEMA = """
CREATE TABLE call (
    run TEXT, generation INTEGER, call TEXT, claim TEXT, shown INTEGER, gain REAL NOT NULL,
    PRIMARY KEY (claim, run, generation, call)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Lift:
    """Difference of mean gains with its 90 % Welch interval."""

    mean: float
    low: float
    high: float
    calls: int
    least: int
    """Calls on the side that has fewer."""

    @property
    def harmful(self) -> bool:
        """Whether the whole interval lies below zero, after enough calls on both sides."""
        return self.least >= BENCH_CALLS and self.high < 0

    @property
    def words(self) -> str:
        """For the log."""
        return f"lift {self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}], {self.calls} calls"


def add_calls(db: sqlite3.Connection, lesson: Lesson) -> set[str]:
    """Add a lesson's Designer calls; ids of the heuristics that were shown or withheld.

    Calls of Designers that read nothing are left out: what they were shown changes nothing.
    """
    gains: dict[str, list[float]] = {}
    told: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for trial in lesson.trials:
        if trial.read:
            gains.setdefault(trial.call, []).append(trial.gain)
            told[trial.call] = (trial.shown, trial.withheld)
    touched: set[str] = set()
    for call, (shown, withheld) in told.items():
        mean = sum(gains[call]) / len(gains[call])
        for side, keys in ((1, shown), (0, withheld)):
            touched |= set(keys)
            rows = [(lesson.run, lesson.generation, call, key, side, mean) for key in keys]
            db.executemany("INSERT OR IGNORE INTO call VALUES (?,?,?,?,?,?)", rows)
    return touched


def lifts(db: sqlite3.Connection, keys: Iterable[str]) -> Mapping[str, Lift]:
    """The lift of heuristics that were shown and withheld often enough."""
    sides: dict[str, tuple[list[float], list[float]]] = {}
    for key in keys:
        for shown, gain in db.execute("SELECT shown, gain FROM call WHERE claim = ?", (key,)):
            sides.setdefault(key, ([], []))[shown].append(gain)
    found = {key: lift_of(shown, held) for key, (held, shown) in sides.items()}
    return {key: lift for key, lift in found.items() if lift is not None}


def lift_of(shown: list[float], held: list[float]) -> Lift | None:
    """The lift that the calls on both sides amount to; None for too few on one."""
    least = min(len(shown), len(held))
    if least < LEAST_CALLS:
        return None
    n, mean, error = _moments(shown)
    m, other_mean, other_error = _moments(held)
    both = error + other_error
    spread = error**2 / (n - 1) + other_error**2 / (m - 1)
    freedom = both**2 / spread if spread > 0 else n + m - 2
    reach = _quantile(1 - _TAIL, freedom) * math.sqrt(both)
    difference = mean - other_mean
    return Lift(difference, difference - reach, difference + reach, n + m, least)


def _moments(values: list[float]) -> tuple[int, float, float]:
    """Number, mean and squared standard error of the mean."""
    n, mean = len(values), sum(values) / len(values)
    return n, mean, sum((v - mean) ** 2 for v in values) / (n - 1) / n


def _quantile(share: float, freedom: float) -> float:
    """Student's t below which `share` of the distribution lies."""
    special: Any = import_module("scipy.special")
    return float(special.stdtrit(freedom, share))
