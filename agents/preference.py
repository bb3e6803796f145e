"""What the offline Designer prefers among possible children: heuristics, or compiled claims."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from llm_nas.claims import Heuristic, matches
from llm_nas.domain import FloatArray
from llm_nas.ports import Moves

OpWeights: TypeAlias = Mapping[str, Mapping[str, float]]
"""Probability of every operation by edge, as claims were compiled to."""
_WEIGHT_PER_HEURISTIC = 0.5
"""Log-odds a supported heuristic adds to a child it favours, and takes from one it disfavours."""


class Preference(Protocol):
    """Weighs cells against each other."""

    @property
    def by(self) -> str:
        """What it weighs by, in words."""
        ...

    @property
    def draws(self) -> int:
        """Uniform cells among which a niche's first cell is chosen."""
        ...

    def weights(
        self, archs: Sequence[str], heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> FloatArray:
        """Positive weights `(len(archs),)` to draw by."""
        ...


class ByHeuristics:
    """Every supported heuristic a cell meets counts the same."""

    by = "heuristics"
    draws = 1

    def __init__(self, moves: Moves) -> None:
        self._moves = moves

    def weights(
        self, archs: Sequence[str], heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> FloatArray:
        """Exponential of the summed log-odds, clipped to +-3."""
        del rng
        return np.array([self._weight(arch, heuristics) for arch in archs])

    def _weight(self, arch: str, heuristics: Sequence[Heuristic]) -> float:
        facts = self._moves.facts(arch)
        log_odds = sum(
            _WEIGHT_PER_HEURISTIC * _benefit(h)
            for h in heuristics
            if matches(h.claim.condition, facts)
        )
        return math.exp(max(-3.0, min(3.0, log_odds)))


class ByGraduates:
    """The probability of a cell under one of several compiled distributions, drawn each time.

    They weigh accuracy against latency differently, so that children spread along the front.
    """

    by = "graduated claims"
    draws = 4

    def __init__(self, moves: Moves, graduates: Sequence[OpWeights]) -> None:
        """Take at least one distribution; all must name every edge and operation."""
        self._facts: Callable[[str], Mapping[str, str]] = lambda arch: moves.facts(arch).op_at
        self._graduates = tuple(graduates)

    def weights(
        self, archs: Sequence[str], heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> FloatArray:
        """Products of operation probabilities, relative to the likeliest cell."""
        del heuristics
        by_edge = self._graduates[int(rng.integers(len(self._graduates)))]
        logs = np.array(
            [sum(math.log(by_edge[e][op]) for e, op in self._facts(a).items()) for a in archs]
        )
        return np.asarray(np.exp(logs - logs.max()), dtype=np.float64)


def _benefit(heuristic: Heuristic) -> int:
    """+1 when the claimed effect is welcome, -1 when not, 0 while nothing supports it."""
    if heuristic.status not in ("supported", "trusted"):
        return 0
    sign = heuristic.claim.effect.sign
    return sign if heuristic.claim.effect.objective == "accuracy" else -sign
