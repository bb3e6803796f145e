"""Compares predictor variants: rank correlation with test accuracy, and the ceiling of a search.

The ceiling scores every cell with the predictor, takes the front by predicted accuracy and
latency, and re-scores it with test accuracy (relative hypervolume, mean over the six devices).

    python benchmarks/predictor_variants.py --labels 1000 --seeds 0 1 2 3 4 [--datasets cifar100]
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import DATASETS, DEVICES
from llm_nas.evaluation.score import ceiling
from llm_nas.evaluation.truth import TruthContext, open_context
from llm_nas.ports import Benchmark
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import PredictorOptions, train_predictor
from llm_nas.tools.predictor_check import validate
from llm_nas.tools.space import nas_bench_201

VARIANTS = {
    "trees, 13 proxies, published only": PredictorOptions("proxies", "trees", "uniform", False),
    "trees, 13 proxies": PredictorOptions("proxies", "trees", "uniform"),
    "trees+gp, 13 proxies": PredictorOptions("proxies", "trees+gp", "uniform"),
    "trees, structure": PredictorOptions("proxies+structure", "trees", "uniform"),
    "trees+gp, structure": PredictorOptions("proxies+structure", "trees+gp", "uniform"),
    "trees+gp, structure, balanced": PredictorOptions(labels_by="balanced"),
    "trees, structure, niches": PredictorOptions(model="trees", labels_by="niches"),
    "trees+gp, structure, niches": PredictorOptions(labels_by="niches"),
    "trees, structure, front": PredictorOptions(model="trees"),
    "default, nothing borrowed": PredictorOptions(transfer=False),
    "default, own measurement": PredictorOptions(own=True),
    "default": PredictorOptions(),
}


def contexts(benchmark: Benchmark, dataset: str) -> list[TruthContext]:
    """The truth on every device."""
    tables = [benchmark.latency_ms(dataset, device) for device in DEVICES]
    return [open_context(benchmark, dataset, table) for table in tables]


def figures(
    benchmark: Benchmark, truths: Sequence[TruthContext], run: tuple[str, int, int, str]
) -> dict[str, float]:
    """Spearman overall and per niche, and the mean ceiling, of one (data set, labels, seed)."""
    dataset, labels, seed, variant = run
    predictor = train_predictor(benchmark, dataset, labels, seed, options=VARIANTS[variant])
    partition = make_partition(nas_bench_201())
    result = validate(predictor, truths[0].test_accuracy_pct, partition)
    rows = {"all": result["all"]} | result["niches"]
    found = {name: row["spearman"] or 0.0 for name, row in rows.items()}
    predicted = predictor.predict_all()
    return found | {"ceiling": float(np.mean([ceiling(t, predicted) for t in truths]))}


def compare(
    benchmark: Benchmark,
    variants: Sequence[str],
    datasets: Sequence[str],
    labels: int,
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Mean figures over seeds: variant -> data set -> name -> value."""
    table: dict[str, Any] = {variant: {} for variant in variants}
    for dataset in datasets:
        truths = contexts(benchmark, dataset)
        for variant in variants:
            runs = [figures(benchmark, truths, (dataset, labels, s, variant)) for s in seeds]
            means = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
            table[variant][dataset] = means
            shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
            print(f"{labels} labels  {variant:36s} {dataset:15s} {shown}", flush=True)
    return table


def main() -> None:
    """Parse arguments, compare, print, and write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--surrogates", action="store_true", help="the pack without measurements")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    models = arguments.surrogates
    benchmark = PackBenchmark(own=None) if models else open_benchmark(arguments.data_dir)
    table = compare(
        benchmark, arguments.variants, arguments.datasets, arguments.labels, arguments.seeds
    )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
