"""How do I bring a Designer, the agent that proposes what a niche trains next?

`--designer examples/06_designer.py:Neighbours`, or `--methods designer:...` in a comparison.
What it proposes is validated, timed and counted like anybody's.
"""

import sys
from collections.abc import Sequence

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Candidate
from llm_nas.ports import Moves, NicheView, SearchSpace


class Neighbours:
    """Changes one choice of a random member of the niche's front; ignores all advice."""

    source = "neighbours"

    def __init__(self, space: SearchSpace, moves: Moves) -> None:
        self._moves = moves

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Candidate, ...]:
        """As many candidates as the niche has slots."""
        return tuple(self._one(view, rng) for _ in range(view.slots))

    def _one(self, view: NicheView, rng: np.random.Generator) -> Candidate:
        niche = view.niche.id
        if not view.archive:
            arch = self._moves.sample(niche, rng)
            return Candidate(arch=arch, niche=niche, origin=self.source, operator="sample")
        parent = view.archive[int(rng.integers(len(view.archive)))].arch
        arch = self._moves.mutate(niche, parent, rng)
        return Candidate(
            arch=arch, niche=niche, origin=self.source, operator="mutation", parents=(parent,)
        )


if __name__ == "__main__":
    from llm_nas.cli import run

    places = ["--space", "examples/03_space.py", "--task", "examples/04_task.py:Formula"]
    where = ["--device", "examples/05_device.py:Board", "--designer", f"{__file__}:Neighbours"]
    sys.exit(run(["search", *places, *where, "--trainings", "18", *sys.argv[1:]]))
