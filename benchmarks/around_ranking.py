"""Which channels to keep: by the norm of their weights, by the loss, or by a draw?

    python benchmarks/around_ranking.py --space 'around:FILE.py:make?weights=FILE' --task TASK

Prints the mean accuracy of equal cuts (uniform shares, and random widths) whose channels were
chosen in each way: batch norms fitted anew, before and after short trainings; and how well
accuracies before rank those after.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.stats import spearmanr

from llm_nas.domain import Arch, FloatArray
from llm_nas.tools.spaces.around import open_around
from llm_nas.tools.spaces.around.channels import Coupled
from llm_nas.tools.spaces.around.space import AroundSpace
from llm_nas.tools.tasks.real import RealTask, open_real_task, shape_of_real
from llm_nas.tools.tasks.training import TUNING, accuracy_pct, fit


def cuts_of(space: AroundSpace, count: int) -> list[Arch]:
    """The uniform versions, and networks of random widths with all blocks."""
    rng = np.random.default_rng(0)
    full = {choice.name: choice.values[-1] for choice in space.choices}
    found = [arch for _, arch in space.uniform()[1:]]
    while len(found) < count:
        drawn = space.values(space.sample(rng))
        widths = {name: value for name, value in drawn.items() if name[0] in "wh"}
        found.append(space.arch({**full, **widths}))
    return found[:count]


def accuracies(
    task: RealTask, space: AroundSpace, arch: Arch, epochs: Sequence[int]
) -> list[float]:
    """Validation accuracy in % after each number of epochs."""
    found: list[float] = []
    for number in epochs:
        network = task.build(arch, 0)
        space.prepare(network, task.data)
        if number:
            fit(network, task.data, number, 0, recipe=TUNING)
        found.append(accuracy_pct(network, task.data.validation))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--space", required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--cuts", type=int, default=8)
    parser.add_argument("--epochs", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    torch.set_num_threads(1)
    space = open_around(given.space, shape_of_real(given.task))
    task = open_real_task(given.task, space, isolated=False)
    space.rank(task.data)
    rng = np.random.default_rng(1)
    groups: list[Coupled] = [group for stage in space.plan.stages for group in stage.groups]
    by_loss = {group.root: space.worth(group) for group in groups}
    ways: dict[str, Callable[[Coupled], Sequence[float]]] = {
        "loss": lambda group: by_loss[group.root],
        "norm": lambda group: group.magnitude,
        "draw": lambda group: rng.random(group.channels).tolist(),
    }
    for name, way in ways.items():
        space.scores = {group.root: way(group) for group in groups}
        rows: FloatArray = np.array(
            [accuracies(task, space, arch, given.epochs) for arch in cuts_of(space, given.cuts)]
        )
        ranks = [float(spearmanr(column, rows[:, -1])[0]) for column in rows.T]
        told = zip(given.epochs, rows.mean(axis=0), ranks, strict=True)
        print(name, *(f"{e} epochs: {mean:.1f} % (rank {rank:.2f})" for e, mean, rank in told),
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
