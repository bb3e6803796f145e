"""Pareto local search (Paquete, Chiarandini & Stuetzle 2004) from a niche-random start.

The archive holds the non-dominated cells seen so far. A member that was not explored yet is
drawn, its neighbours (one edge changed) are evaluated, the archive is updated; when all members
are explored the archive is a Pareto local optimum and the search restarts from random cells.
"""

import numpy as np

from llm_nas.domain import IntArray
from llm_nas.evaluation.controls.control import Session, niche_masks, spread_over_niches
from llm_nas.evaluation.indicators import non_dominated_mask
from llm_nas.ports import Evaluator, Partition, SearchSpace


class ParetoLocalSearch:
    """Explores the archive's neighbourhoods in random pieces of `step` cells.

    Exploring a neighbourhood piece by piece, with the archive updated in between, is the
    anytime variant (Dubois-Lacoste, Lopez-Ibanez & Stuetzle 2015): with 24 neighbours a cell,
    whole neighbourhoods would use up a budget of 120 on five cells.
    """

    name = "local-search"

    def __init__(self, start: int = 30, step: int = 1) -> None:
        """Take `start` random cells before the first step, and again at every restart."""
        self._start = start
        self._step = step

    def run(self, evaluator: Evaluator, partition: Partition, seed: int) -> None:
        """Spend the budget on neighbours of archive members."""
        session, rng = Session(evaluator), np.random.default_rng(seed)
        masks = niche_masks(partition)
        while session.remaining:
            session.evaluate(spread_over_niches(session, masks, rng, self._start))
            while session.remaining and self._explore(session, evaluator.space, rng):
                pass

    def _explore(self, session: Session, space: SearchSpace, rng: np.random.Generator) -> bool:
        """Evaluate a piece of one unexplored neighbourhood; False at a Pareto local optimum."""
        archive = np.asarray(session.cells)[non_dominated_mask(session.points())]
        for cell in rng.permutation(archive).tolist():
            unseen = [n for n in _neighbours(space, cell) if session.open[n]]
            if unseen:
                session.evaluate(rng.permutation(unseen)[: self._step].tolist())
                return True
        return False


def _neighbours(space: SearchSpace, index: int) -> IntArray:
    near = [space.index(cell) for cell in space.neighbours(space.cell(index))]
    return np.asarray(near, dtype=np.int64)
