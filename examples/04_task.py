"""How do I bring a task, that is, whatever trains a network and says how good it is?

`--task examples/04_task.py:Formula`. A formula stands in for the training here.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from llm_nas.domain import ACCURACY, Arch, FloatArray, Label
from llm_nas.ports import SearchSpace


class Formula:
    """Accuracy grows with size and levels off; every training is a little lucky or unlucky."""

    name, metric, chance, source = "formula", ACCURACY, 10.0, "a formula with noise of 0.2 %"

    def __init__(self, space: SearchSpace) -> None:
        self._expected = tested(space)

    def train(self, arch: Arch, fidelity: float, seed: int) -> Label:
        """Equal arguments, equal answer; `fidelity` is a share of the full schedule."""
        luck = np.random.default_rng([seed, *arch.encode()]).normal(0.0, 0.2)
        value = float(self._expected([arch])[0]) + luck
        return Label(arch=arch, value=value, trainings=fidelity, seconds=0.0)


def tested(space: SearchSpace) -> Callable[[Sequence[Arch]], FloatArray]:
    """Test accuracies, for scores: read after a search, never during one."""

    def values(archs: Sequence[Arch]) -> FloatArray:
        sizes = space.quantities(archs)["size"]
        return np.array([96.0 - 40.0 / math.log(size) for size in sizes])

    return values


if __name__ == "__main__":
    from llm_nas.tools.spaces import open_space

    family = open_space("examples/03_space.py")
    print(Formula(family).train(family.sample(np.random.default_rng(0)), 1.0, seed=0))
