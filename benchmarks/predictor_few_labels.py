"""With 100 labels: which cells to label, and which model to fit. Spearman with test accuracy.

    python benchmarks/predictor_few_labels.py [--labels 100] [--seeds 0 1 2 3 4]

Every row changes one thing of the default: the labelled cells (first block) or the model (second).
Figures are over all unlabelled cells and, after the stroke, over those of S5.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from llm_nas.tools.predictor_labels import choose_labels
from llm_nas.tools.predictor_trees import ProxyPredictor
from llm_nas.tools.space import nas_bench_201

NICHES = make_partition(nas_bench_201())
GROUPS = NICHES.labels()


@dataclass(frozen=True)
class Labelled:
    """Features of all cells and accuracies of the labelled ones."""

    features: Features
    train: IntArray
    accuracy_pct: FloatArray
    seed: int

    @property
    def targets(self) -> FloatArray:
        """Normal scores of the labels."""
        return normal_scores(self.accuracy_pct[:, None])[:, 0]


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


def mean_of(*models: Model) -> Model:
    """Averages scores."""
    return lambda data: np.mean([model(data) for model in models], axis=0).astype(np.float64)


def default(data: Labelled) -> FloatArray:
    """What `train_predictor` fits."""
    return (trees(data) + process(data)) / 2.0


def two_stages(features: Features, accuracy: FloatArray, labels: int, seed: int) -> IntArray:
    """Half by design, half where trees and process then disagree."""
    first = choose_labels(features.embedding, NICHES, labels // 2, seed, "design")
    data = Labelled(features, first, accuracy[first], seed)
    doubt = np.abs(trees(data) - process(data)) + 0.1
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
    """A scheme of the package."""
    return lambda features, _, labels, seed: choose_labels(
        features.embedding, NICHES, labels, seed, by
    )


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
    "**design, by niches (default)**": scheme("design"),
}
MODELS: dict[str, Model] = {
    "trees alone": trees,
    "process alone": process,
    "rank:pairwise trees": lambda d: ranking_trees(d, "rank:pairwise"),
    "rank:pairwise trees + process": mean_of(lambda d: ranking_trees(d, "rank:pairwise"), process),
    "rank:ndcg trees + process": mean_of(lambda d: ranking_trees(d, "rank:ndcg"), process),
    "pairwise hinge + trees": mean_of(pairwise_hinge, trees),
    "trees of depth 3": mean_of(lambda d: trees(d, max_depth=3), process),
    "four seeds of trees": mean_of(lambda d: trees(d, seeds=4), process),
    "process weighs 0.3": lambda d: 0.7 * trees(d) + 0.3 * process(d),
    "process weighs 0.7": lambda d: 0.3 * trees(d) + 0.7 * process(d),
    "length scales x 0.7": mean_of(trees, lambda d: process(d, stretch=1.4)),
    "length scales x 1.4": mean_of(trees, lambda d: process(d, stretch=0.7)),
    "noise x 4": mean_of(trees, lambda d: process(d, noise=0.1)),
    "trees on raw accuracies, alone": lambda d: trees(d, raw=True),
}


class Comparison:
    """One data set at one number of labels."""

    def __init__(self, benchmark: Benchmark, dataset: str, labels: int) -> None:
        self._features = build_features(benchmark, dataset, nas_bench_201())
        self._validation = benchmark.validation_accuracy_pct(dataset)
        self._test = benchmark.truth(dataset).test_accuracy_pct()
        self._labels = labels

    def mean(self, choose: Chooser, model: Model, seeds: Iterable[int]) -> tuple[float, float]:
        """Spearman over all unlabelled cells and over those of S5, mean over seeds."""
        runs = [self._run(choose, model, seed) for seed in seeds]
        overall, s5 = np.mean(runs, axis=0)
        return float(overall), float(s5)

    def _run(self, choose: Chooser, model: Model, seed: int) -> tuple[float, float]:
        train = choose(self._features, self._validation, self._labels, seed)
        predicted = model(Labelled(self._features, train, self._validation[train], seed))
        rest = np.setdiff1d(np.arange(len(predicted)), train)
        s5 = rest[GROUPS[rest] == 5]
        return (
            spearman_rho(predicted[rest], self._test[rest]),
            spearman_rho(predicted[s5], self._test[s5]),
        )


def main() -> None:
    """Print one Markdown row per variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    options = parser.parse_args()
    benchmark = open_benchmark(None)
    sets = [Comparison(benchmark, dataset, options.labels) for dataset in options.datasets]
    print(f"| {options.labels} labels | " + " | ".join(options.datasets) + " |")
    print("|---" * (len(sets) + 1) + "|")
    rows = [(name, choose, default) for name, choose in CHOOSERS.items()]
    rows += [(name, scheme("design"), model) for name, model in MODELS.items()]
    for name, choose, model in rows:
        found = [comparison.mean(choose, model, options.seeds) for comparison in sets]
        cells = [f"{overall:.4f} / {s5:.3f}" for overall, s5 in found]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
