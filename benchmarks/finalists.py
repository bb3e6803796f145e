"""Rules for the 20 finalists of `hv@k`, on the cells that the runs of a comparison evaluated.

    llm-nas compare --contexts all --seeds 10 --out comparisons/main
    python benchmarks/finalists.py comparisons/main

Prints the mean hv@20 of every rule by method, and for the difference to the first rule its
standard error and the runs won and lost.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.evaluation.finalists import FINALISTS, by_layers, choose_finalists
from llm_nas.evaluation.front import REFERENCE_POINT
from llm_nas.evaluation.indicators import bounding_box, objectives
from llm_nas.evaluation.score import claimed_front, hv_at_k, usable_cells
from llm_nas.experiments.rows import load_rows
from llm_nas.experiments.setting import truth_context
from llm_nas.ports import Benchmark
from llm_nas.tools.conformal import Intervals, intervals_of
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.predictor import train_predictor

DRAWS = 48
_NORMAL_90 = 1.645
"""Half-width of a 90 % interval of a normal distribution in standard deviations."""


@dataclass(frozen=True)
class Known:
    """What a rule may look at."""

    latency_ms: FloatArray
    predicted_pct: FloatArray
    intervals: Intervals

    def front(self, cells: IntArray) -> IntArray:
        """The claimed front of some cells."""
        return claimed_front(self.latency_ms, self.predicted_pct, cells)

    def layers(self, cells: IntArray, score: FloatArray, k: int = FINALISTS) -> IntArray:
        """Layers by a score in place of predicted accuracy, thinned by gain."""
        usable = usable_cells(self.latency_ms, cells)
        return usable[by_layers(objectives(score[usable], self.latency_ms[usable]), k)]


Rule: TypeAlias = Callable[[Known, IntArray], IntArray]


def leaning(share: float) -> Rule:
    """Layers by the prediction moved a share of the way to the upper end (negative: lower)."""

    def rule(known: Known, cells: IntArray) -> IntArray:
        middle, held = known.predicted_pct, known.intervals
        end = held.high_pct if share > 0 else held.low_pct
        return known.layers(cells, middle + abs(share) * (end - middle))

    return rule


def front_then_upper(known: Known, cells: IntArray) -> IntArray:
    """The claimed front, then layers by upper ends."""
    chosen = known.layers(known.front(cells), known.predicted_pct)
    rest = np.setdiff1d(usable_cells(known.latency_ms, cells), known.front(cells))
    if len(chosen) == FINALISTS or not len(rest):
        return chosen
    more = known.layers(rest, known.intervals.high_pct, FINALISTS - len(chosen))
    return np.concatenate([chosen, more])


def widest_first(known: Known, cells: IntArray) -> IntArray:
    """The claimed front, then fronts by upper ends; within each the widest intervals first."""
    rest, score = usable_cells(known.latency_ms, cells), known.predicted_pct
    width = known.intervals.high_pct - known.intervals.low_pct
    chosen = list[int]()
    while len(rest) and len(chosen) < FINALISTS:
        layer = claimed_front(known.latency_ms, score, rest)
        chosen += layer[np.argsort(-width[layer], kind="stable")].tolist()
        rest, score = np.setdiff1d(rest, layer), known.intervals.high_pct
    return np.array(chosen[:FINALISTS], dtype=np.int64)


def expected_gain(share: float) -> Rule:
    """Greedy expected hypervolume over draws from the intervals, their width times a share."""

    def rule(known: Known, cells: IntArray) -> IntArray:
        usable = usable_cells(known.latency_ms, cells)
        order = usable[np.argsort(known.latency_ms[usable], kind="stable")]
        box = bounding_box(_points(known, known.front(cells)))
        scaled = box.normalise(_points(known, order))
        half = (known.intervals.high_pct - known.intervals.low_pct)[order] / 2.0
        spread = share * half / _NORMAL_90 / max(box.high[0] - box.low[0], 1e-9)
        return order[_greedy(scaled, spread)]

    return rule


def _points(known: Known, cells: IntArray) -> FloatArray:
    return objectives(known.predicted_pct[cells], known.latency_ms[cells])


def _greedy(scaled: FloatArray, spread: FloatArray) -> list[int]:
    """Positions, of points by latency, that add most mean hypervolume over draws of the error."""
    worst, limit = REFERENCE_POINT
    noise = np.random.default_rng(0).standard_normal((len(scaled), DRAWS))
    errors = np.minimum(scaled[:, :1] + spread[:, None] * noise, worst)
    widths = np.diff(np.append(np.clip(scaled[:, 1], None, limit), limit))
    best, left, chosen = np.full(errors.shape, worst), list(range(len(scaled))), list[int]()
    while left and len(chosen) < FINALISTS:
        gains = [widths[i:] @ np.maximum(best[i:] - errors[i], 0.0).mean(axis=1) for i in left]
        chosen.append(left.pop(int(np.argmax(gains))))
        best[chosen[-1] :] = np.minimum(best[chosen[-1] :], errors[chosen[-1]])
    return chosen


RULES: dict[str, Rule] = {
    "layers by prediction": lambda known, cells: known.layers(cells, known.predicted_pct),
    "claimed front, then layers of the others": lambda known, cells: choose_finalists(
        known.latency_ms, known.predicted_pct, cells
    ),
    "**claimed front, then layers of those that may be on it**": lambda known, cells: (
        choose_finalists(
            known.latency_ms, known.predicted_pct, cells, upper_pct=known.intervals.high_pct
        )
    ),
    "the claimed front alone": lambda known, cells: known.layers(
        known.front(cells), known.predicted_pct
    ),
    "claimed front, then layers by upper ends": front_then_upper,
    "the same, widest intervals first": widest_first,
    "layers by upper ends": leaning(1.0),
    "layers halfway to upper ends": leaning(0.5),
    "layers halfway to lower ends": leaning(-0.5),
    "expected hypervolume, width of the intervals": expected_gain(1.0),
    "expected hypervolume, a quarter of it": expected_gain(0.25),
}


def knowledge(
    benchmark: Benchmark, dataset: str, seed: int, labels: int
) -> Callable[[str], Known]:
    """What is known on each device of one data set and seed."""
    trained = train_predictor(benchmark, dataset, labels, seed)
    intervals = intervals_of(trained, benchmark, dataset)

    def on(device: str) -> Known:
        latency_ms = truth_context(None, dataset, device).latency_ms
        return Known(latency_ms, trained.predict_all(), intervals)

    return on


def main() -> None:
    """Print one Markdown row a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--methods", nargs="+", default=["offline", "nsga2", "local-search"])
    arguments = parser.parse_args()
    benchmark = open_benchmark()
    settings, records = load_rows(arguments.comparison)
    found: dict[tuple[str, str], list[float]] = {}
    for dataset, seed in dict.fromkeys((r.row.dataset, r.row.seed) for r in records):
        known_on = knowledge(benchmark, dataset, seed, settings.labels)
        validation = benchmark.validation_accuracy_pct(dataset)
        for record in records:
            row = record.row
            if (row.dataset, row.seed) != (dataset, seed) or row.method not in arguments.methods:
                continue
            cells, known = np.array(record.cells, dtype=np.int64), known_on(row.device)
            context = truth_context(None, dataset, row.device)
            for name, rule in RULES.items():
                value = hv_at_k(context, rule(known, cells), validation)
                found.setdefault((name, row.method), []).append(value)
    print("| rule | " + " | ".join(arguments.methods) + " |")
    print("|---" * (len(arguments.methods) + 1) + "|")
    first = next(iter(RULES))
    for name in RULES:
        shown = [_figure(found[name, m], found[first, m]) for m in arguments.methods]
        print(f"| {name} | " + " | ".join(shown) + " |")


def _figure(values: list[float], before: list[float]) -> str:
    """Mean; difference to the first rule, its standard error, runs won and lost."""
    gain = np.array(values) - np.array(before)
    error = gain.std() / np.sqrt(len(gain))
    won, lost = int((gain > 1e-9).sum()), int((gain < -1e-9).sum())
    return f"{np.mean(values):.4f} ({gain.mean():+.4f}, s.e. {error:.4f}; {won}-{lost})"


if __name__ == "__main__":
    main()
