"""How well partitions sort cells by latency: the hand-made one, learned ones and single axes.

    python benchmarks/partition_auto.py [DATA_DIR]

Prints, for every device (cifar10), the share of the variance of log latency between niches,
over connected cells with a latency, and the learned niches in words.
"""

import sys
from pathlib import Path

import numpy as np

from llm_nas.domain import DEVICES, FloatArray, IntArray
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.features import connected
from llm_nas.tools.latency import open_latency
from llm_nas.tools.partition_auto import explain, open_partition
from llm_nas.tools.space import nas_bench_201

DATASET = "cifar10"
NAMES = ("conv3x3", "auto", "auto:3", "auto:10", "count:nor_conv_1x1", "flops:6", "latency:6")


def between_share(log_ms: FloatArray, labels: IntArray) -> float:
    """Share of the variance that lies between niches, in [0, 1]."""
    sizes = np.bincount(labels)
    sums = np.bincount(labels, weights=log_ms)
    means = np.divide(sums, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    return 1.0 - float(np.var(log_ms - means[labels]) / np.var(log_ms))


def main(arguments: list[str]) -> None:
    """Print a Markdown table, then one line a learned niche."""
    benchmark = open_benchmark(Path(arguments[0]) if arguments else None)
    space, stories = nas_bench_201(), list[str]()
    print(f"| device | {' | '.join(NAMES)} |")
    print("|---" * (len(NAMES) + 1) + "|")
    for device in DEVICES:
        latency_ms = open_latency(benchmark, DATASET, device).values_ms
        known = np.isfinite(latency_ms) & connected(space)
        log_ms, shares = np.log(latency_ms[known]), list[str]()
        for name in NAMES:
            partition = open_partition(name, space, benchmark, DATASET, latency_ms)
            shares.append(f"{between_share(log_ms, partition.labels()[known]):.3f}")
            if name == "auto":
                stories += [f"\n{device}", *explain(partition, latency_ms)]
        print(f"| {device} | {' | '.join(shares)} |")
    print("\n".join(stories))


if __name__ == "__main__":
    main(sys.argv[1:])
