"""Do the predictor's 90 % intervals hold 90 % of the labels it has not seen, in every niche?

    python benchmarks/predictor_coverage.py --labels 1000 --seeds 0 1 2

Prints means over seeds, lowest and highest seed in brackets, and Spearman with the labels; ends
with exit code 1 when a task's mean coverage over all architectures is outside 0.87 to 0.93.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.evaluation.predictor import unlabelled
from llm_nas.tools.accuracy.predicted import open_predicted_task
from llm_nas.tools.accuracy.ranks import spearman_rho
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task, shape_of

PROMISED = (0.87, 0.93)


def covered(
    space_name: str, task_name: str, labels: int, seed: int, data: Path | None
) -> FloatArray:
    """`(1 + niches + 2,)`: coverage of all and of each niche, median width, Spearman."""
    space = open_space(space_name, shape_of(task_name))
    predicted = open_predicted_task(task_name, space, labels, seed, data_dir=data)
    archs = predicted.predictor.features.archs_at(unlabelled(predicted.predictor))
    task = open_task(task_name, space, data_dir=data)
    truth = np.array([getattr(task.train(arch, 1.0, seed), "value", np.nan) for arch in archs])
    low, high = np.array(predicted.interval_pct(archs)).T
    inside = (low <= truth) & (truth <= high)
    partition = open_partition(None, space, seed)
    niche = np.array([partition.niche_of(arch) for arch in archs])
    groups = [inside[niche == n.id] for n in partition.niches]
    shares = [float(g.mean()) if len(g) else float("nan") for g in (inside, *groups)]
    rho = spearman_rho(predicted.predictor.predict(archs), truth)
    return np.array([*shares, float(np.median(high - low)), rho])


def report(task: str, runs: Sequence[FloatArray]) -> str:
    """One line: means over seeds, lowest and highest single seed in brackets."""
    stacked = np.stack(runs)
    mean, low, high = stacked.mean(axis=0), stacked.min(axis=0), stacked.max(axis=0)
    names = ["all", *(f"niche {i}" for i in range(len(mean) - 3))]
    shown = [f"{name} {mean[i]:.3f} ({low[i]:.3f}-{high[i]:.3f})" for i, name in enumerate(names)]
    return f"{task:15s} {'  '.join(shown)}  median width {mean[-2]:.2f}  Spearman {mean[-1]:.3f}"


def main() -> int:
    """Print one line per task; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="nb201")
    parser.add_argument("--tasks", nargs="+", default=["cifar10", "cifar100", "ImageNet16-120"])
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data-dir", type=Path)
    asked = parser.parse_args()
    broken = False
    for task in asked.tasks:
        runs = [
            covered(asked.space, task, asked.labels, seed, asked.data_dir) for seed in asked.seeds
        ]
        print(report(task, runs), flush=True)
        broken |= not PROMISED[0] <= float(np.mean([run[0] for run in runs])) <= PROMISED[1]
    print("verdict:", "broken" if broken else "kept")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
