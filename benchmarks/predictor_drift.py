"""When the drift alarm sounds: labels from all of the space and from parts of it.

    llm-nas compare --contexts all --seeds 4 --first-seed 100 --out comparisons/tuning
    python benchmarks/predictor_drift.py comparisons/tuning

The cells are those that the comparison's methods measured. One predictor is trained for every way
of labelling, data set and seed; "covered" is the share of unlabelled cells in their 90 % interval.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from llm_nas.domain import BoolArray
from llm_nas.experiments.rows import Record, load_rows
from llm_nas.ports import Benchmark
from llm_nas.tools.conformal import conformal_intervals
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.drift import TrainingRange
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import TrainedPredictor, fit_predictor, train_predictor
from llm_nas.tools.predictor_check import unlabelled
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
NICHES = make_partition(SPACE)
GROUPS = NICHES.labels()
DRAWS = 20
"""Uniform draws of as many cells as a search measures."""

Part: TypeAlias = Callable[[Benchmark, str], BoolArray]
PARTS: dict[str, Part] = {
    "S0 to S3": lambda b, d: GROUPS <= 3,
    "S0 to S2": lambda b, d: GROUPS <= 2,
    "S4 and S5": lambda b, d: GROUPS >= 4,
    "the slower half on edgegpu": lambda b, d: _slow(b, d),
    "the faster half on edgegpu": lambda b, d: ~_slow(b, d),
    "cells without skip_connect": lambda b, d: (
        SPACE.codes() != SPACE.operations.index("skip_connect")
    ).all(axis=1),
}


def _slow(benchmark: Benchmark, dataset: str) -> BoolArray:
    latency_ms = benchmark.latency_ms(dataset, "edgegpu")
    return np.asarray(latency_ms > np.median(latency_ms), dtype=np.bool_)


def predictors(
    benchmark: Benchmark, dataset: str, seed: int
) -> Iterator[tuple[str, TrainedPredictor]]:
    """The default at several numbers of labels, and 1,000 labels from parts of the space."""
    for labels in (100, 300):
        yield f"everywhere, {labels}", train_predictor(benchmark, dataset, labels, seed)
    full = train_predictor(benchmark, dataset, 1000, seed)
    yield "everywhere, 1,000", full
    accuracy = benchmark.validation_accuracy_pct(dataset)
    for name, part in PARTS.items():
        pool = np.flatnonzero(part(benchmark, dataset))
        train = np.random.default_rng(seed).permutation(pool)[:1000]
        yield name, fit_predictor(full.features, train, accuracy[train], seed, full.options)


Figures: TypeAlias = dict[str, list[float]]


def judge(
    benchmark: Benchmark, dataset: str, predictor: TrainedPredictor, runs: list[Record]
) -> Figures:
    """Shares outside of uniform draws and of every method's runs, alarms, and coverage."""
    training, rest = TrainingRange(predictor), unlabelled(predictor)
    rng = np.random.default_rng(predictor.seed)
    drawn = [rng.permutation(SPACE.size)[: len(runs[0].cells)] for _ in range(DRAWS)]
    accuracy = benchmark.validation_accuracy_pct(dataset)
    held = conformal_intervals(predictor, accuracy[predictor.train_indices], NICHES)
    inside = (accuracy >= held.low_pct) & (accuracy <= held.high_pct)
    far = training.outside(rest)
    found: Figures = {
        "covered": [float(inside[rest[~far]].mean())],
        "covered outside": [float(inside[rest[far]].mean())] if far.any() else [],
    }
    named = [("uniform", cells) for cells in drawn]
    named += [(r.row.method, np.array(r.cells, dtype=np.int64)) for r in runs]
    for name, cells in named:
        drift = training.drift(cells)
        found.setdefault(name, []).append(drift.outside / drift.cells)
        found.setdefault(f"{name} alarms", []).append(float(drift.alarm))
    return found


def row(label: str, found: Figures, methods: list[str]) -> str:
    """A Markdown row: mean share (greatest), share of runs with an alarm; coverage."""
    cells = [
        f"{np.mean(found[m]):.2f} ({max(found[m]):.2f}), {np.mean(found[f'{m} alarms']):.0%}"
        for m in methods
    ]
    covered = [f"{np.mean(found[name]):.2f}" for name in ("covered", "covered outside")]
    return f"| {label} | " + " | ".join(cells) + f" | {' / '.join(covered)} |"


def main() -> None:
    """Print one Markdown row for every way of labelling, over data sets, devices and seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--methods", nargs="+", default=["offline", "nsga2", "local-search"])
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    benchmark = open_benchmark(arguments.data_dir)
    records = load_rows(arguments.comparison)[1]
    records = [r for r in records if r.row.method in arguments.methods]
    methods = ["uniform", *arguments.methods]
    table: dict[str, Figures] = {}
    for dataset, seed in dict.fromkeys((r.row.dataset, r.row.seed) for r in records):
        runs = [r for r in records if (r.row.dataset, r.row.seed) == (dataset, seed)]
        for name, predictor in predictors(benchmark, dataset, seed):
            for key, values in judge(benchmark, dataset, predictor, runs).items():
                table.setdefault(name, {}).setdefault(key, []).extend(values)
    print("| labels from | " + " | ".join(methods) + " | covered inside / outside |")
    print("|---" * (len(methods) + 2) + "|")
    for name, found in table.items():
        print(row(name, found, methods))


if __name__ == "__main__":
    main()
