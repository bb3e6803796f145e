"""How much of the reference front the advisor finds, training by training.

Drives `open` and `plan` directly, without graph, agents or store, so that hundreds of searches
can be compared. Prints the mean over seeds and contexts beside the targets and ends with a
verdict. `--controls` adds methods with the same budget and free knowledge.

    python benchmarks/advisor_quality.py --contexts anb --seeds 10 --trainings 120
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.domain import ContextName, Failure, Limits, Measurement
from llm_nas.evaluation.controls import make_control, run
from llm_nas.evaluation.controls.control import Problem
from llm_nas.evaluation.controls.door import Door
from llm_nas.evaluation.score import hv_at
from llm_nas.evaluation.truth import Truth, open_truth
from llm_nas.ports import Device, History, Partition, SearchSpace, Task
from llm_nas.tools.advisor import ParetoAdvisor
from llm_nas.tools.devices import open_device
from llm_nas.tools.devices.latency_model import open_latency_model
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task, shape_of
from llm_nas.tools.zero_cost import open_zero_cost

GROUPS = {
    "anb": [f"anb/imagenet/{d}" for d in "a100 rtx3090 tpuv2 tpuv3 zcu102 vck190".split()],
    "nb201": [
        f"nb201/{task}/{device}"
        for task in ("cifar10", "cifar100", "ImageNet16-120")
        for device in ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
    ],
    "hwgpt-s": [f"hwgpt-s/openwebtext/{d}" for d in ("h100", "cpu_meta", "a100", "p100")],
}
TARGETS = {
    "anb": {"12": 0.92, "24": 0.945, "36": 0.955, "60": 0.965, "120": 0.975},
    "nb201": {"12": 0.83, "24": 0.94, "36": 0.955, "60": 0.965, "120": 0.975},
    "hwgpt-s": {"12": 0.90, "24": 0.925, "60": 0.955},
}
ADVISOR = "advisor"
OPENING, BATCH = 12, 6


@dataclass(frozen=True, slots=True)
class Place:
    """One context, opened."""

    space: SearchSpace
    task: Task
    device: Device
    partition: Partition
    truth: Truth

    def advisor(self, opening: str, prior: bool) -> ParetoAdvisor:
        """A fresh advisor of this context."""
        return ParetoAdvisor(
            self.space,
            self.partition,
            open_latency_model(self.device, self.space),
            self.task.metric,
            self.task.chance,
            open_zero_cost(self.space, self.task.name),
            Limits(),
            opening="random" if opening == "random" else "zero-cost",
            prior=prior,
        )

    def trained(self, archs: Sequence[str], seed: int) -> list[Measurement | Failure]:
        """One training each."""
        door = Door(
            lambda arch: self.task.train(arch, 1.0, seed),
            lambda arch: float(self.truth.latencies_ms([arch])[0]),
            self.task.metric,
            len(archs),
            self.partition.niche_of,
        )
        for arch in archs:
            door.train(arch)
        return door.rows


def opened(name: str) -> Place:
    """The context of a name `SPACE/TASK/DEVICE`."""
    space_name, task_name, device_name = name.split("/")
    space = open_space(space_name, shape_of(task_name))
    context = ContextName(space=space_name, task=task_name, device=device_name)
    truth = open_truth(context, space)
    if truth is None:
        raise SystemExit(f"{name}: no truth is known")
    return Place(
        space,
        open_task(task_name, space),
        open_device(device_name, space, task_name),
        open_partition(None, space, 0),
        truth,
    )


def searched(
    place: Place, seed: int, trainings: int, opening: str, prior: bool
) -> list[Measurement]:
    """The trainings of one search."""
    advisor, rng = place.advisor(opening, prior), np.random.default_rng(seed)
    chosen = advisor.open(min(OPENING, trainings), rng)
    rows: list[Measurement] = []
    failed: set[str] = set()
    while chosen:
        for row in place.trained([c.arch for c in chosen], seed):
            if isinstance(row, Measurement):
                rows.append(row)
            else:
                failed.add(row.arch)
        left = trainings - len(rows) - len(failed)
        history = History(measured=tuple(rows), failed=frozenset(failed))
        chosen = advisor.plan(history, min(BATCH, left), rng)
    return rows


def controlled(place: Place, name: str, seed: int, trainings: int) -> list[Measurement | Failure]:
    """The trainings of a control."""
    advisor = place.advisor("zero-cost", False)
    problem = Problem(
        place.space,
        place.partition,
        place.truth.latencies_ms,
        lambda size, rng: [c.arch for c in advisor.open(size, rng)],
    )
    door = Door(
        lambda arch: place.task.train(arch, 1.0, seed),
        lambda arch: float(place.truth.latencies_ms([arch])[0]),
        place.task.metric,
        trainings,
        place.partition.niche_of,
    )
    run(make_control(name, problem, seed), problem, door)
    return door.rows


def rows_of(
    place: Place, method: str, seed: int, arguments: argparse.Namespace
) -> Sequence[Measurement | Failure]:
    """The trainings of one method."""
    if method != ADVISOR:
        return controlled(place, method, seed, arguments.trainings)
    return searched(place, seed, arguments.trainings, arguments.opening, not arguments.no_prior)


def figures(place: Place, method: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Mean `hv_at` over seeds."""
    found: list[dict[str, float]] = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        found.append(hv_at(rows_of(place, method, seed, arguments), place.truth))
    return {k: float(np.mean([f[k] for f in found])) for k in found[0]}


def line(name: str, method: str, figure: dict[str, float], seconds: float) -> str:
    """One row of the table."""
    values = " ".join(f"{k}: {v:.3f}" for k, v in figure.items())
    return f"{name:34s} {method:12s} {values}  ({seconds:.1f} s a search)"


def compared(group: str, arguments: argparse.Namespace) -> bool:
    """Print a group of contexts; whether its targets are met and controls beaten."""
    contexts = GROUPS.get(group, [group])
    methods = [ADVISOR, *arguments.controls]
    table: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    ahead = True
    for name in contexts:
        place = opened(name)
        for method in methods:
            start = time.perf_counter()
            table[method].append(figures(place, method, arguments))
            seconds = (time.perf_counter() - start) / arguments.seeds
            print(line(name, method, table[method][-1], seconds), flush=True)
        ours = table[ADVISOR][-1]
        rivals = [table[method][-1] for method in arguments.controls]
        ahead &= all(ours[k] > r[k] for r in rivals for k in ("24", "60", "120") if k in ours)
    targets = TARGETS.get(group.split("/")[0], {})
    missed: list[str] = []
    for method in methods:
        mean = {k: float(np.mean([f[k] for f in table[method]])) for k in table[method][0]}
        print(line(f"MEAN {group}", method, mean, 0.0))
        if method == ADVISOR:
            missed = [k for k, target in targets.items() if k in mean and mean[k] < target]
    print(f"targets {group}: {targets}; missed: {missed or 'none'}; ahead of controls: {ahead}")
    return ahead and not missed


def main() -> int:
    """Exit code 0 when all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contexts", default="anb,nb201,hwgpt-s", help="groups or contexts")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trainings", type=int, default=120)
    parser.add_argument("--opening", choices=("zero-cost", "random"), default="zero-cost")
    parser.add_argument("--no-prior", action="store_true")
    parser.add_argument("--controls", nargs="*", default=[])
    arguments = parser.parse_args()
    met = [compared(group, arguments) for group in arguments.contexts.split(",")]
    print("PASS" if all(met) else "FAIL")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
