"""What the fast setting costs: this project's own whole proxy table against the published one.

All 9,445 canonical cells of cifar10 were measured with the fast setting. Spearman of each proxy
with the published value, and what the accuracy predictor loses when it reads the own table
instead: rank correlation with test accuracy on all unlabelled cells, mean over seeds.

    python benchmarks/proxies_own.py --data-dir FOLDER --labels 1000 300 100 --seeds 0 1 2 3 4
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import PROXIES, FloatArray
from llm_nas.tools.data.locate import ENVIRONMENT_VARIABLE
from llm_nas.tools.data.own import own_proxies
from llm_nas.tools.data.tables import TableBenchmark
from llm_nas.tools.estimator import spearman_rho
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import PredictorOptions, train_predictor
from llm_nas.tools.predictor_check import validate
from llm_nas.tools.space import nas_bench_201

DATASET = "cifar10"
"""The one data set with both a published table and images to measure on."""
PREDICTORS = {
    "trees, 13 proxies": PredictorOptions("proxies", "trees", "uniform"),
    "default": PredictorOptions(),
}


class OwnTables(TableBenchmark):
    """The published tables, but proxies are this project's own measurement."""

    def proxies(self, dataset: str) -> FloatArray:
        """`(size, 13)`."""
        own = own_proxies(dataset)
        if own is None:
            raise SystemExit(f"no proxies of {dataset} were measured")
        return own.values


def agreement(published: FloatArray, own: FloatArray) -> str:
    """One line: Spearman of each proxy over cells that have both values."""
    shown: list[str] = []
    for column, name in enumerate(PROXIES):
        both = np.isfinite(published[:, column]) & np.isfinite(own[:, column])
        rho = spearman_rho(published[both, column], own[both, column])
        shown.append(f"{name} {rho:.3f} ({int(both.sum())})")
    return "  ".join(shown)


def spearman(
    benchmark: TableBenchmark, labels: int, seeds: Sequence[int], kind: str
) -> FloatArray:
    """`(seeds,)`: Spearman with test accuracy on all unlabelled cells."""
    truth = benchmark.truth(DATASET).test_accuracy_pct()
    partition = make_partition(nas_bench_201())
    found: list[float] = []
    for seed in seeds:
        trained = train_predictor(benchmark, DATASET, labels, seed, options=PREDICTORS[kind])
        found.append(validate(trained, truth, partition)["all"]["spearman"] or 0.0)
    return np.array(found)


def main() -> None:
    """Parse arguments; print the agreement and one line per predictor and number of labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, nargs="+", default=[1000, 300, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--data-dir", type=Path, default=os.environ.get(ENVIRONMENT_VARIABLE))
    arguments = parser.parse_args()
    if arguments.data_dir is None:
        parser.error("the published tables are needed: --data-dir FOLDER")
    published, own = TableBenchmark(Path(arguments.data_dir)), OwnTables(Path(arguments.data_dir))
    print(agreement(published.proxies(DATASET), own.proxies(DATASET)), flush=True)
    for kind in PREDICTORS:
        for labels in arguments.labels:
            theirs = spearman(published, labels, arguments.seeds, kind)
            ours = spearman(own, labels, arguments.seeds, kind)
            change = ours - theirs
            error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
            print(
                f"{kind:20s} {labels:5d} labels  published {theirs.mean():.4f}  "
                f"own {ours.mean():.4f}  change {change.mean():+.4f} (standard error {error:.4f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
