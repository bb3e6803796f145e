"""The port of a control, and the bookkeeping all of them share."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.evaluation.indicators import objectives
from llm_nas.ports import Evaluator, Partition


class Control(Protocol):
    """A search that asks `evaluator.accuracy_pct` until the budget is spent, and keeps nothing.

    Its answer is the set of cells it asked about. It asks only about cells with a latency, never
    twice about one, and stops early only when there is no such cell left.
    """

    @property
    def name(self) -> str:
        """What `compare` calls it."""
        ...

    def run(self, evaluator: Evaluator, partition: Partition, seed: int) -> None:
        """Spend what is left of the evaluator's budget."""
        ...


class Session:
    """What one run of a control knows: which cells it may ask about and what it was told."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self.latency_ms = evaluator.latency_ms()
        self.open: BoolArray = np.isfinite(self.latency_ms)
        """`(size,)`: cells with a latency that were not asked about."""
        self.cells: list[int] = []
        """Cells asked about, in order."""
        self._accuracy: list[float] = []

    @property
    def remaining(self) -> int:
        """Cells that may still be asked about."""
        left = self._evaluator.budget - self._evaluator.evaluations
        return min(left, int(np.count_nonzero(self.open)))

    def evaluate(self, cells: Iterable[int]) -> IntArray:
        """Ask about the first of these cells that are new and affordable; which ones they were."""
        fresh = dict.fromkeys(int(c) for c in cells if self.open[c])
        asked = list(fresh)[: self.remaining]
        if asked:
            self._accuracy.extend(self._evaluator.accuracy_pct(asked).tolist())
            self.cells.extend(asked)
            self.open[asked] = False
        return np.asarray(asked, dtype=np.int64)

    def points(self) -> FloatArray:
        """`(n, 2)`: predicted error in % and latency in ms of the cells asked about, in order."""
        return objectives(self._accuracy, self.latency_ms[self.cells])

    def draw(
        self, rng: np.random.Generator, count: int, within: BoolArray | None = None
    ) -> IntArray:
        """Up to `count` different open cells, uniformly, optionally from a `(size,)` mask."""
        pool = np.flatnonzero(self.open if within is None else self.open & within)
        chosen = rng.choice(pool, size=min(count, pool.size), replace=False)
        return np.asarray(chosen, dtype=np.int64)


def niche_masks(partition: Partition) -> list[BoolArray]:
    """One `(size,)` membership mask a niche, in the partition's order."""
    labels = partition.labels()
    return [np.asarray(labels == i, dtype=np.bool_) for i in range(len(partition.niches))]


def spread_over_niches(
    session: Session, masks: list[BoolArray], rng: np.random.Generator, count: int
) -> IntArray:
    """Open cells dealt round robin from the niches, uniform inside each, `(<= count,)`.

    Niches take turns in random order, so that a count below their number favours none; one
    that runs out of open cells is skipped.
    """
    order: list[int] = rng.permutation(len(masks)).tolist()
    hands = [session.draw(rng, count, masks[i]).tolist() for i in order]
    rounds = (hand[turn] for turn in range(count) for hand in hands if turn < len(hand))
    return np.asarray(
        [cell for cell, _ in zip(rounds, range(count), strict=False)], dtype=np.int64
    )
