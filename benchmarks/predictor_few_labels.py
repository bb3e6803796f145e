"""With 100 labels: which cells to label, and which model to fit. Spearman with test accuracy.

    python benchmarks/predictor_few_labels.py [--labels 100] [--seeds 0 1 2 3 4]

Every row changes one thing of the default: the labelled cells (first block) or the model (second).
Figures are over all unlabelled cells and, after the stroke, over those of S5.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import minimize
from xgboost import XGBRanker

from llm_nas.domain import DATASETS, FloatArray, IntArray
from llm_nas.ports import Benchmark
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.estimator import normal_scores, spearman_rho
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor_design import design
from llm_nas.tools.predictor_features import Features, build_features
from llm_nas.tools.predictor_gp import GaussianProcess, matern52, squared_distances
from llm_nas.tools.predictor_labels import designed_labels, draw_labels
from llm_nas.tools.predictor_trees import ProxyPredictor
from llm_nas.tools.space import nas_bench_201

NICHES = make_partition(nas_bench_201())
GROUPS = NICHES.labels()
DEFAULT = "**design, by niches (default)**"


@dataclass(frozen=True)
class Labelled:
    """Features of all cells and accuracies of the labelled ones."""

    features: Features
    train: IntArray
    accuracy_pct: FloatArray
    seed: int

    @cached_property
    def targets(self) -> FloatArray:
        """Normal scores of the labels."""
        return normal_scores(self.accuracy_pct[:, None])[:, 0]

    @cached_property
    def trees(self) -> FloatArray:
        """The default's trees."""
        return trees(self)

    @cached_property
    def process(self) -> FloatArray:
        """The default's Gaussian process."""
        return process(self)


Model: TypeAlias = Callable[[Labelled], FloatArray]
Chooser: TypeAlias = Callable[[Features, FloatArray, int, int], IntArray]


def trees(data: Labelled, seeds: int = 1, raw: bool = False, **options: Any) -> FloatArray:
    """Boosted trees, by squared error."""
    x, y = data.features.values, data.accuracy_pct if raw else data.targets
    states = [data.seed + 1000 * k for k in range(seeds)]
    fits = [ProxyPredictor(random_state=s, **options).fit(x[data.train], y) for s in states]
    return np.mean([fit.predict(x) for fit in fits], axis=0).astype(np.float64)


def process(data: Labelled, stretch: float = 1.0, noise: float = 0.025) -> FloatArray:
    """The Gaussian process; `stretch` divides its length scales."""
    embedding = data.features.embedding * stretch
    return GaussianProcess(embedding, data.train, data.targets, noise).mean


def ranking_trees(data: Labelled, objective: str) -> FloatArray:
    """Boosted trees on pairs (LambdaMART), as normal scores."""
    steps = np.argsort(np.argsort(data.accuracy_pct)) * 31 // len(data.train)
    model = XGBRanker(
        objective=objective,
        n_estimators=400,
        learning_rate=0.06,
        max_depth=4,
        subsample=0.8,
        colsample_bytree=0.3,
        max_bin=64,
        n_jobs=1,
        random_state=data.seed,
        ndcg_exp_gain=False,
        lambdarank_pair_method="topk",
        lambdarank_num_pair_per_sample=len(data.train),
    )
    x = data.features.values
    model.fit(x[data.train], steps, qid=np.zeros(len(steps), dtype=np.int64))
    return normal_scores(np.asarray(model.predict(x), dtype=np.float64)[:, None])[:, 0]


def pairwise_hinge(data: Labelled, ridge: float = 0.3) -> FloatArray:
    """Squared hinge on all pairs in the process's function space (a kernel ranking machine)."""
    rows = data.features.embedding[data.train]
    kernel = matern52(squared_distances(rows, rows))
    better, worse = np.nonzero(np.subtract.outer(data.accuracy_pct, data.accuracy_pct) > 0)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        values = kernel @ weights
        short = np.maximum(1.0 - values[better] + values[worse], 0.0)
        pull = np.bincount(better, short, len(rows)) - np.bincount(worse, short, len(rows))
        slope = kernel @ (ridge * weights - 2.0 * pull / len(rows))
        return float((short**2).sum() / len(rows) + ridge / 2 * weights @ values), slope

    weights = minimize(loss, np.zeros(len(rows)), jac=True, method="L-BFGS-B").x
    scores = matern52(squared_distances(data.features.embedding, rows)) @ weights
    return normal_scores(scores[:, None])[:, 0]


def mix(first: FloatArray, second: FloatArray, share: float = 0.5) -> FloatArray:
    """The weighted mean of two models' scores; `share` is the first's."""
    return share * first + (1.0 - share) * second


def default(data: Labelled) -> FloatArray:
    """What `train_predictor` fits."""
    return mix(data.trees, data.process)


def two_stages(features: Features, accuracy: FloatArray, labels: int, seed: int) -> IntArray:
    """Half by design, half where trees and process then disagree."""
    first = designed_labels(features.embedding, NICHES, labels // 2, seed)
    data = Labelled(features, first, accuracy[first], seed)
    doubt = np.abs(data.trees - data.process) + 0.1
    doubt[first] = 1e-6
    second = design(features.embedding, doubt, labels, seed + 1)
    return np.concatenate([first, second[~np.isin(second, first)][: labels - len(first)]])


def farthest(features: Features, accuracy: FloatArray, labels: int, seed: int) -> IntArray:
    """The cell farthest from all labelled ones, again and again, among 2,000 (k-centre)."""
    pool = np.random.default_rng(seed).permutation(len(GROUPS))[:2000]
    rows, chosen = features.embedding[pool], [0]
    while len(chosen) < labels:
        chosen.append(int(squared_distances(rows, rows[chosen]).min(axis=1).argmax()))
    return pool[chosen].astype(np.int64)


def scheme(by: Any) -> Chooser:
    """A random scheme of the package."""
    return lambda features, _, labels, seed: draw_labels(NICHES, labels, seed, by)


def unweighted(features: Features, accuracy: FloatArray, labels: int, seed: int) -> IntArray:
    """A design for which every cell counts alike."""
    return design(features.embedding, np.ones(len(GROUPS)), labels, seed)


CHOOSERS: dict[str, Chooser] = {
    "uniform": scheme("uniform"),
    "niches, at random": scheme("niches"),
    "balanced over niches": scheme("balanced"),
    "farthest from labels (k-centre)": farthest,
    "design, all cells alike": unweighted,
    "two stages, by disagreement": two_stages,
    DEFAULT: scheme("design"),
}
MODELS: dict[str, Model] = {
    "trees alone": lambda d: d.trees,
    "process alone": lambda d: d.process,
    "rank:pairwise trees": lambda d: ranking_trees(d, "rank:pairwise"),
    "rank:pairwise trees + process": lambda d: mix(ranking_trees(d, "rank:pairwise"), d.process),
    "rank:ndcg trees + process": lambda d: mix(ranking_trees(d, "rank:ndcg"), d.process),
    "trees + pairwise hinge": lambda d: mix(d.trees, pairwise_hinge(d)),
    "trees on raw accuracies, alone": lambda d: trees(d, raw=True),
    "trees of depth 3": lambda d: mix(trees(d, max_depth=3), d.process),
    "four seeds of trees": lambda d: mix(trees(d, seeds=4), d.process),
    "process weighs 0.3": lambda d: mix(d.trees, d.process, 0.7),
    "process weighs 0.7": lambda d: mix(d.trees, d.process, 0.3),
    "length scales x 0.7": lambda d: mix(d.trees, process(d, stretch=1.4)),
    "length scales x 1.4": lambda d: mix(d.trees, process(d, stretch=0.7)),
    "noise x 4": lambda d: mix(d.trees, process(d, noise=0.1)),
}


class Comparison:
    """One data set at one number of labels."""

    def __init__(self, benchmark: Benchmark, dataset: str, labels: int) -> None:
        self._features = build_features(benchmark, dataset, nas_bench_201())
        self._validation = benchmark.validation_accuracy_pct(dataset)
        self._test = benchmark.truth(dataset).test_accuracy_pct()
        self._labels = labels

    def run(self, seed: int) -> dict[str, tuple[float, float]]:
        """Figures of all variants with one seed."""
        chosen = {name: self._labelled(choose, seed) for name, choose in CHOOSERS.items()}
        designed = chosen[DEFAULT]
        found = {name: self._figures(data, default(data)) for name, data in chosen.items()}
        return found | {
            name: self._figures(designed, model(designed)) for name, model in MODELS.items()
        }

    def _labelled(self, choose: Chooser, seed: int) -> Labelled:
        train = choose(self._features, self._validation, self._labels, seed)
        return Labelled(self._features, train, self._validation[train], seed)

    def _figures(self, data: Labelled, predicted: FloatArray) -> tuple[float, float]:
        """Spearman over all unlabelled cells and over those of S5."""
        rest = np.setdiff1d(np.arange(len(predicted)), data.train)
        s5 = rest[GROUPS[rest] == 5]
        return (
            spearman_rho(predicted[rest], self._test[rest]),
            spearman_rho(predicted[s5], self._test[s5]),
        )


def main() -> None:
    """Print one Markdown row per variant, means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    options = parser.parse_args()
    benchmark = open_benchmark(None)
    columns: list[dict[str, list[str]]] = []
    for dataset in options.datasets:
        comparison = Comparison(benchmark, dataset, options.labels)
        runs = [comparison.run(seed) for seed in options.seeds]
        means = {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}
        columns.append({name: [f"{v:.4f}" for v in mean] for name, mean in means.items()})
    print(f"| {options.labels} labels | " + " | ".join(options.datasets) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(" / ".join(column[name]) for column in columns) + " |")


if __name__ == "__main__":
    main()
