"""Uniform random search, over the space and per niche: what any method must beat."""

import numpy as np

from llm_nas.evaluation.controls.control import Session, niche_masks, spread_over_niches
from llm_nas.ports import Evaluator, Partition


class RandomSearch:
    """Different cells with a latency, uniformly; the partition plays no part."""

    name = "random"

    def run(self, evaluator: Evaluator, partition: Partition, seed: int) -> None:
        """Spend the budget on uniform draws without replacement."""
        del partition
        session = Session(evaluator)
        session.evaluate(session.draw(np.random.default_rng(seed), session.remaining))


class NicheRandomSearch:
    """An equal share of the budget for every niche, uniform inside each."""

    name = "niche-random"

    def run(self, evaluator: Evaluator, partition: Partition, seed: int) -> None:
        """Spend the budget round robin over the niches."""
        session, rng = Session(evaluator), np.random.default_rng(seed)
        masks = niche_masks(partition)
        session.evaluate(spread_over_niches(session, masks, rng, session.remaining))
