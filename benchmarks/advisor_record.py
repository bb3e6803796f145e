"""The offline advisor beside every control, many seeds: one row a run, and tables of the rows.

Drives the advisor and the controls directly, on one door, without graph, agents or store: a run
takes seconds, so 28 contexts can have many seeds. Resumable: runs whose row stands in the file
are left out, and several commands may write to one file. `tables` prints Markdown.

    python benchmarks/advisor_record.py run rows.csv --seeds 10
    python benchmarks/advisor_record.py tables rows.csv
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from advisor_quality import ADVISOR, GROUPS, Place, controlled, opened, searched

from llm_nas.domain import ContextName, Failure, FloatArray, Measurement
from llm_nas.evaluation.score import CHECKPOINTS, hv_at
from llm_nas.evaluation.stats import mean_interval
from llm_nas.experiments.setting import is_tuned_on

AT = tuple(map(str, CHECKPOINTS))
METHODS = (
    ADVISOR,
    "random",
    "niche-random",
    "nsga2",
    "niche-nsga2",
    "regularized-evolution",
    "local-search",
    "optuna-tpe",
    "zc-nsga2",
)
FIELDS = ("context", "method", "seed", "trainings", *AT, "seconds")
COMPARED = ("24", "60", "120")
"""Trainings at which the advisor has to be ahead."""

Key = tuple[str, str, int]
Found = Mapping[Key, Mapping[str, float]]


def read(file: Path) -> Found:
    """Figures of every finished run; a torn last line is left out."""
    if not file.exists():
        return {}
    found: dict[Key, Mapping[str, float]] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["seconds"]:
                key = row["context"], row["method"], int(row["seed"])
                found[key] = {at: float(row[at]) for at in AT if row[at]}
    return found


def one(place: Place, method: str, seed: int, trainings: int) -> list[object]:
    """A run's number of trainings, figures and seconds of processor time."""
    start = time.process_time()
    rows: Sequence[Measurement | Failure] = (
        searched(place, seed, trainings, "zero-cost", True)
        if method == ADVISOR
        else controlled(place, method, seed, trainings)
    )
    figures = hv_at(rows, place.truth)
    told = [f"{figures[at]:.5f}" if at in figures else "" for at in AT]
    return [len(rows), *told, f"{time.process_time() - start:.2f}"]


def run(arguments: argparse.Namespace) -> None:
    """Append the rows that are missing, seed by seed."""
    file: Path = arguments.file
    contexts = [c for g in arguments.contexts.split(",") for c in GROUPS.get(g, [g])]
    if not file.exists():
        file.write_text(",".join(FIELDS) + "\n", encoding="utf-8")
    places: dict[str, Place] = {}
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    methods: list[str] = arguments.methods.split(",")
    runs = [(c, m, s) for s, c, m in product(seeds, contexts, methods)]
    for context, method, seed in runs:
        if (context, method, seed) in read(file):
            continue
        if context not in places:
            places[context] = opened(context)
        row = one(places[context], method, seed, arguments.trainings)
        with file.open("a", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerow([context, method, seed, *row])


def is_tuned(context: str) -> bool:
    """Whether settings were chosen on a context."""
    space, task, device = context.split("/")
    return is_tuned_on(ContextName(space=space, task=task, device=device))


def complete(found: Found, method: str, contexts: Sequence[str], at: str) -> FloatArray:
    """Figures of the seeds that a method finished in all contexts, `(seeds, contexts)`."""
    seeds = sorted({seed for _, name, seed in found if name == method})
    rows = [
        [found[c, method, seed][at] for c in contexts]
        for seed in seeds
        if all(at in found.get((c, method, seed), {}) for c in contexts)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(contexts))


def shown(values: FloatArray) -> str:
    """Mean and interval, or a dash where no seed is complete."""
    if not len(values):
        return "-"
    interval = mean_interval(values)
    if interval.low == interval.high:
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def by_space(found: Found, methods: Sequence[str]) -> Iterator[str]:
    """Means over contexts and seeds, contexts that were tuned on apart from the others."""
    for group, tuned in product(GROUPS, (True, False)):
        contexts = [c for c in GROUPS[group] if is_tuned(c) == tuned]
        if not contexts:
            continue
        rows: list[list[str]] = []
        for method in methods:
            figures = [complete(found, method, contexts, at) for at in AT]
            if len(figures[0]):
                rows.append([method, str(len(figures[0])), *map(shown, figures)])
        if rows:
            yield f"\n{group}, {len(contexts)} contexts{' *' if tuned else ''}\n"
            yield from table(["method", "seeds", *AT], rows)


def in_all(found: Found) -> Iterator[str]:
    """The advisor's means over all contexts of every space."""
    rows: list[list[str]] = []
    for group, contexts in GROUPS.items():
        figures = [complete(found, ADVISOR, contexts, at) for at in AT]
        rows.append([f"{group}, {len(contexts)}", str(len(figures[0])), *map(shown, figures)])
    yield "\nThe advisor in all contexts of a space\n"
    yield from table(["space, contexts", "seeds", *AT], rows)


def by_context(found: Found, methods: Sequence[str], at: str) -> Iterator[str]:
    """Means over seeds after so many trainings, one row a context."""
    rows: list[list[str]] = []
    for context in (c for group in GROUPS.values() for c in group):
        cells = [complete(found, method, [context], at) for method in methods]
        means = [f"{c.mean():.3f}" if len(c) else "-" for c in cells]
        rows.append([context + (" *" if is_tuned(context) else ""), *means])
    yield f"\nAfter {at} trainings\n"
    yield from table(["context", *methods], rows)


def ahead(found: Found, methods: Sequence[str]) -> Iterator[str]:
    """In how many contexts the advisor's mean is ahead of each control's, and where it is not."""
    rows: list[list[str]] = []
    for method in (m for m in methods if m != ADVISOR):
        told: list[str] = [method]
        for at in COMPARED:
            behind: list[str] = []
            seen = 0
            for context in sorted({c for c, name, _ in found if name == method}):
                ours = complete(found, ADVISOR, [context], at)
                other = complete(found, method, [context], at)
                if len(ours) and len(other):
                    seen += 1
                    behind += [context] if other.mean() >= ours.mean() else []
            told.append(f"{seen - len(behind)} of {seen}" + "".join(f"; not {c}" for c in behind))
        rows.append(told)
    yield "\nContexts in which the advisor's mean is ahead\n"
    yield from table(["method", *COMPARED], rows)


def tables(file: Path) -> Iterator[str]:
    """All tables of a file."""
    found = read(file)
    names = {name for _, name, _ in found}
    methods = [m for m in METHODS if m in names] + sorted(names - set(METHODS))
    yield from in_all(found)
    yield from by_space(found, methods)
    yield from ahead(found, methods)
    for at in COMPARED:
        yield from by_context(found, methods, at)


def main() -> int:
    """Run, or print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "tables"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--contexts", default=",".join(GROUPS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trainings", type=int, default=120)
    arguments = parser.parse_args()
    if arguments.what == "run":
        run(arguments)
    else:
        print("\n".join(tables(arguments.file)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
