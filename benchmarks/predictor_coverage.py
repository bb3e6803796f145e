"""Coverage of the predictor's conformal intervals, per niche, on cells it was not trained on.

python benchmarks/predictor_coverage.py --labels 1000 --seeds 0 1 2
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import DATASETS, FloatArray
from llm_nas.ports import Benchmark
from llm_nas.tools.conformal import conformal_intervals, coverage
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import train_predictor
from llm_nas.tools.predictor_check import unlabelled
from llm_nas.tools.space import nas_bench_201


def covered(benchmark: Benchmark, dataset: str, labels: int, seed: int) -> FloatArray:
    """`(1 + niches + 1,)`: coverage of all cells and of each niche, and the median width in %."""
    predictor = train_predictor(benchmark, dataset, labels, seed)
    partition = make_partition(nas_bench_201())
    accuracy = benchmark.validation_accuracy_pct(dataset)
    intervals = conformal_intervals(predictor, accuracy[predictor.train_indices], partition)
    rest = unlabelled(predictor)
    groups = [rest] + [np.intersect1d(partition.members(n.id), rest) for n in partition.niches]
    shares = [coverage(intervals, accuracy, cells) for cells in groups]
    return np.array([*shares, float(np.median(intervals.high_pct - intervals.low_pct))])


def report(benchmark: Benchmark, dataset: str, labels: int, seeds: Sequence[int]) -> str:
    """One line: means over seeds, lowest and highest single seed in brackets, median width."""
    names = ["all", *(niche.id for niche in make_partition(nas_bench_201()).niches)]
    runs = np.stack([covered(benchmark, dataset, labels, seed) for seed in seeds])
    mean, low, high = runs.mean(axis=0), runs.min(axis=0), runs.max(axis=0)
    shown = [f"{name} {mean[i]:.3f} ({low[i]:.3f}-{high[i]:.3f})" for i, name in enumerate(names)]
    return f"{dataset:15s} " + "  ".join(shown) + f"  median width {mean[-1]:.2f} %"


def main() -> None:
    """Parse arguments and print one line per data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    benchmark = open_benchmark(arguments.data_dir)
    for dataset in arguments.datasets:
        print(report(benchmark, dataset, arguments.labels, arguments.seeds), flush=True)


if __name__ == "__main__":
    main()
