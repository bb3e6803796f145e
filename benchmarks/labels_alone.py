"""What the predictor's labels give by themselves: their front, with no search at all.

A label is a trained cell, so the labelled cells are an answer already. Their front by validation
accuracy and latency is re-scored with test accuracies, like any claim: mean relative hypervolume
over 18 contexts, of all labelled cells and of the 20 that would be trained again.

    python benchmarks/labels_alone.py --labels 100 300 1000 --seeds 0 1 2 3 4
"""

import argparse
from pathlib import Path

import numpy as np

from llm_nas.domain import DATASETS, DEVICES
from llm_nas.evaluation.finalists import choose_finalists
from llm_nas.evaluation.score import hv_at_k
from llm_nas.evaluation.truth import open_context
from llm_nas.ports import Benchmark
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.predictor import PredictorOptions, train_predictor
from llm_nas.tools.predictor_labels import LABEL_SCHEMES, LabelScheme


def labelled_hv(
    benchmark: Benchmark, dataset: str, labels: int, seed: int, by: LabelScheme
) -> tuple[float, float]:
    """Mean over devices of `hv` of the labels' front, and of that of 20 of them."""
    options = PredictorOptions(labels_by=by)
    cells = train_predictor(benchmark, dataset, labels, seed, options=options).train_indices
    validation = benchmark.validation_accuracy_pct(dataset)
    whole: list[float] = []
    few: list[float] = []
    for device in DEVICES:
        latency_ms = benchmark.latency_ms(dataset, device)
        truth = open_context(benchmark, dataset, latency_ms)
        whole.append(hv_at_k(truth, cells, validation))
        few.append(hv_at_k(truth, choose_finalists(latency_ms, validation, cells), validation))
    return float(np.mean(whole)), float(np.mean(few))


def main() -> None:
    """Parse arguments and print one line per number of labels and scheme."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--by", choices=LABEL_SCHEMES, nargs="+", default=["niches", "front"])
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    benchmark = open_benchmark(arguments.data_dir)
    for labels in arguments.labels:
        for by in arguments.by:
            runs = [
                labelled_hv(benchmark, dataset, labels, seed, by)
                for dataset in DATASETS
                for seed in arguments.seeds
            ]
            whole, few = np.mean(runs, axis=0)
            print(f"{labels:5d} labels by {by:8s} hv {whole:.4f}, hv@20 {few:.4f}", flush=True)


if __name__ == "__main__":
    main()
