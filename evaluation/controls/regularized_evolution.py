"""Regularised (ageing) evolution (Real, Aggarwal, Huang & Le, AAAI 2019), for two objectives.

A queue of cells: a tournament of random members picks a parent, its mutant (one edge changed)
joins the queue, the oldest member leaves, however good it is. The original compares by accuracy
alone; here every tournament compares by a Chebyshev scalarisation with a random weight, which
over the run asks for every trade-off (as ParEGO does; Knowles 2006).
"""

from collections import deque

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.evaluation.controls.control import Session
from llm_nas.ports import Evaluator, Partition, SearchSpace

_RHO = 0.05
"""Weight of the sum in the augmented Chebyshev function (Knowles 2006)."""


class RegularizedEvolution:
    """Ageing evolution; the partition plays no part."""

    name = "regularized-evolution"

    def __init__(self, population: int = 30, tournament: int = 15) -> None:
        """Take the length of the queue and the number of members drawn for a tournament."""
        self._population = population
        self._tournament = tournament

    def run(self, evaluator: Evaluator, partition: Partition, seed: int) -> None:
        """Spend the budget on mutants of tournament winners."""
        del partition
        session, rng = Session(evaluator), np.random.default_rng(seed)
        session.evaluate(session.draw(rng, self._population))
        queue = deque(range(len(session.cells)), maxlen=self._population)
        while session.remaining:
            parent = self._winner(session, queue, rng)
            child = _mutant(session, evaluator.space, session.cells[parent], rng)
            session.evaluate([child])
            # maxlen makes the queue drop its oldest member.
            queue.append(len(session.cells) - 1)

    def _winner(self, session: Session, queue: deque[int], rng: np.random.Generator) -> int:
        size = min(self._tournament, len(queue))
        drawn = rng.choice(np.asarray(queue), size=size, replace=False)
        points = session.points()[drawn]
        return int(drawn[np.argmin(scalarised(points, float(rng.random())))])


def scalarised(points: FloatArray, weight: float) -> FloatArray:
    """Augmented Chebyshev value of `(n, 2)` points, each objective scaled to their range.

    Smaller is better; `weight` in [0, 1] goes to the first objective.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0)
    weighted = scaled * np.array([weight, 1.0 - weight])
    return np.asarray(weighted.max(axis=1) + _RHO * weighted.sum(axis=1), dtype=np.float64)


def _mutant(session: Session, space: SearchSpace, parent: int, rng: np.random.Generator) -> int:
    """A random open cell one edge away; when all are used up, one of the nearest open ones."""
    near = [space.index(cell) for cell in space.neighbours(space.cell(parent))]
    candidates = np.asarray([index for index in near if session.open[index]], dtype=np.int64)
    if candidates.size == 0:
        unseen = np.flatnonzero(session.open)
        codes = space.codes()
        changed = np.count_nonzero(codes[unseen] != codes[parent], axis=1)
        candidates = unseen[changed == changed.min()]
    return int(rng.choice(candidates))
