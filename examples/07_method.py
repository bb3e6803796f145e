"""How do I compare a search of my own with the others, on the same footing?

`llm-nas compare --methods offline,random,examples/07_method.py:Climber --contexts ...`. A method
asks for one network at a time; the comparison holds the budget and the only door to labels.
"""

import sys

import numpy as np

from llm_nas.domain import Arch
from llm_nas.evaluation.controls import Point, Problem


class Climber:
    """Steps to a random neighbour, and back unless error x latency got smaller."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._rng = problem, np.random.default_rng(seed)
        self._best: tuple[float, Arch] | None = None

    def ask(self) -> Arch | None:
        """The next network, one never asked for; None when nothing is left."""
        if self._best is None:
            return self._problem.draw(self._rng)
        return self._problem.near(self._best[1], self._rng)

    def tell(self, arch: Arch, point: Point | None) -> None:
        """(error, latency in ms) of the network last asked for; None: its training failed."""
        if point is None:
            return
        product = point[0] * point[1]
        if self._best is None or product < self._best[0]:
            self._best = (product, arch)


if __name__ == "__main__":
    from llm_nas.cli import run

    context = "examples/03_space.py/examples/04_task.py:Formula/examples/05_device.py:Board"
    methods = f"random,nsga2,{__file__}:Climber"
    plan = ["--contexts", context, "--trainings", "24", "--seeds", "2", "--methods", methods]
    sys.exit(run(["compare", *plan]))
