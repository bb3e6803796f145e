"""Transforms of targets and proxies: rank correlation with test accuracy, ceiling of a search.

    python benchmarks/predictor_transforms.py --labels 1000 --seeds 0 1 2

Every row changes one thing of the default. Figures: Spearman over all unlabelled cells / over
those of S5; mean relative hypervolume of six devices' fronts when the predictor scores every cell.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from llm_nas.domain import DATASETS, DEVICES, PROXIES, FloatArray, IntArray
from llm_nas.evaluation.score import ceiling
from llm_nas.evaluation.truth import TruthContext, open_context
from llm_nas.ports import Benchmark
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.estimator import normal_scores, normal_shares, spearman_rho
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import PredictorOptions, train_predictor
from llm_nas.tools.predictor_features import Features, build_features, embed_proxies
from llm_nas.tools.predictor_gp import GaussianProcess
from llm_nas.tools.predictor_trees import ProxyPredictor
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
GROUPS = make_partition(SPACE).labels()
Transform: TypeAlias = Callable[[FloatArray], FloatArray]


def same(values: FloatArray) -> FloatArray:
    """As they are."""
    return values


def shares(values: FloatArray) -> FloatArray:
    """Ranks, from 0 to 1."""
    return normal_shares(normal_scores(values))


def signed_log(values: FloatArray) -> FloatArray:
    """Logarithm of sizes in units of the column's median size, signs kept."""
    size = np.nanmedian(np.abs(values), axis=0)
    return np.asarray(np.sign(values) * np.log1p(np.abs(values) / np.where(size > 0, size, 1.0)))


def logit(accuracy_pct: FloatArray) -> FloatArray:
    """Log odds of being right."""
    share = np.clip(accuracy_pct / 100.0, 1e-3, 1.0 - 1e-3)
    return np.asarray(np.log(share / (1.0 - share)))


def log_error(accuracy_pct: FloatArray) -> FloatArray:
    """Minus the logarithm of the error."""
    return np.asarray(-np.log(np.maximum(100.0 - accuracy_pct, 0.1)))


def centred(transform: Transform) -> Transform:
    """The same with the mean of every column at 0."""

    def moved(values: FloatArray) -> FloatArray:
        found = transform(values)
        return np.asarray(found - np.nanmean(found, axis=0), dtype=np.float64)

    return moved


@dataclass(frozen=True)
class Recipe:
    """What the two models learn and see; the defaults are the predictor's own."""

    tree_targets: Transform = normal_scores
    process_targets: Transform = normal_scores
    tree_proxies: Transform = same
    process_proxies: Transform = normal_scores


def targets(transform: Transform) -> Recipe:
    """The same targets for both models."""
    return Recipe(transform, transform)


RECIPES: dict[str, Recipe] = {
    "**default**: normal scores; proxies raw for trees, normal scores for the process": Recipe(),
    "targets: accuracies": targets(same),
    "targets: ranks": targets(shares),
    "targets: logit of accuracies": targets(logit),
    "targets: log errors": targets(log_error),
    "targets: log errors for the process alone": Recipe(process_targets=log_error),
    "targets: log errors for the trees alone": Recipe(tree_targets=log_error),
    "process sees proxies as published": Recipe(process_proxies=same),
    "process sees logarithms": Recipe(process_proxies=signed_log),
    "process sees ranks": Recipe(process_proxies=shares),
    "trees see normal scores": Recipe(tree_proxies=normal_scores),
    "trees see logarithms": Recipe(tree_proxies=signed_log),
}


def fitted(
    features: Features, train: IntArray, accuracy_pct: FloatArray, seed: int, recipe: Recipe
) -> FloatArray:
    """Scores of all cells, `(size,)`: the mean of both models, each in units of its labels."""
    count = len(PROXIES)
    proxies, structure = features.values[:, :count], features.values[:, count:]
    values = np.hstack([recipe.tree_proxies(proxies), structure])
    width = embed_proxies(proxies).shape[1]
    embedding = np.hstack(
        [embed_proxies(proxies, centred(recipe.process_proxies)), features.embedding[:, width:]]
    )
    labels = accuracy_pct[:, None]
    for_trees, for_process = recipe.tree_targets(labels), recipe.process_targets(labels)
    trees = ProxyPredictor(random_state=seed).fit(values[train], for_trees[:, 0]).predict(values)
    process = GaussianProcess(embedding, train, for_process[:, 0]).mean
    return trees / for_trees.std() + process / for_process.std()


class DataSet:
    """One data set, opened once."""

    def __init__(self, benchmark: Benchmark, name: str) -> None:
        self._benchmark, self._name = benchmark, name
        self._features = build_features(benchmark, name, SPACE)
        self._validation = benchmark.validation_accuracy_pct(name)
        tables = [benchmark.latency_ms(name, device) for device in DEVICES]
        self._truths: list[TruthContext] = [open_context(benchmark, name, t) for t in tables]

    def run(self, labels: int, seed: int) -> dict[str, FloatArray]:
        """Spearman over all and over S5, and the mean ceiling, by recipe."""
        options = PredictorOptions(model="trees")
        trained = train_predictor(self._benchmark, self._name, labels, seed, options=options)
        train = trained.train_indices
        found = {
            name: fitted(self._features, train, self._validation[train], seed, recipe)
            for name, recipe in RECIPES.items()
        }
        return {name: self._figures(scores, train) for name, scores in found.items()}

    def _figures(self, scores: FloatArray, train: IntArray) -> FloatArray:
        rest = np.delete(np.arange(SPACE.size, dtype=np.int64), train)
        s5 = rest[GROUPS[rest] == 5]
        test = self._truths[0].test_accuracy_pct
        return np.array(
            [
                spearman_rho(scores[rest], test[rest]),
                spearman_rho(scores[s5], test[s5]),
                np.mean([ceiling(truth, scores) for truth in self._truths]),
            ]
        )


def table(benchmark: Benchmark, labels: int, seeds: Sequence[int]) -> list[str]:
    """Markdown rows, means over seeds."""
    columns: list[dict[str, FloatArray]] = []
    for name in DATASETS:
        data = DataSet(benchmark, name)
        runs = [data.run(labels, seed) for seed in seeds]
        columns.append({r: np.mean([run[r] for run in runs], axis=0) for r in RECIPES})
    rows = [f"| {labels:,} labels | {' | '.join(DATASETS)} | mean |", "|---" * 5 + "|"]
    for recipe in RECIPES:
        figures = [column[recipe] for column in columns]
        shown = [f"{o:.4f} / {s:.3f}; {c:.4f}" for o, s, c in [*figures, np.mean(figures, axis=0)]]
        rows.append(f"| {recipe} | " + " | ".join(shown) + " |")
    return rows


def main() -> None:
    """Print one Markdown table for every number of labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, nargs="+", default=[1000, 300])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    benchmark = open_benchmark(None)
    for labels in arguments.labels:
        print("\n".join(table(benchmark, labels, arguments.seeds)) + "\n", flush=True)


if __name__ == "__main__":
    main()
