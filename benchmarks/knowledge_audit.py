"""Audit the heuristics of many searches: 18 contexts, some seeds, on the tables in use.

    python benchmarks/knowledge_audit.py --seeds 10,11,12 --budget 120 --out audit.jsonl

Prints one line a run and a summary: claims, precision of sign, coverage of intervals. With
`--out`, every run is appended to a file as it ends, and runs that are in it are not done again.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from llm_nas.claims import Objective
from llm_nas.domain import DATASETS, Frozen, SearchRequest
from llm_nas.experiments.audit import AuditReport, audit
from llm_nas.experiments.setting import ContextName, benchmark_in, open_setting
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.knowledge.store import HeuristicStore

MARGIN = 10
"""Supported claims wanted of every run."""


class Audited(Frozen):
    """One search and what became of its claims."""

    seed: int
    budget: int
    report: AuditReport

    @property
    def key(self) -> tuple[str, str, int, int]:
        """Which search it was."""
        return self.report.dataset, self.report.device, self.seed, self.budget


class Summary(Frozen):
    """Totals over runs; shares weigh every claim equally."""

    runs: int
    claims: int
    fewest_claims: int
    runs_below_margin: int
    sign_precision: float
    interval_coverage: float
    claims_by_objective: dict[Objective, int]
    coverage_by_objective: dict[Objective, float]


def audited(dataset: str, device: str, seed: int, budget: int) -> AuditReport:
    """Search with an empty memory, then check what was learned."""
    setting = open_setting(ContextName(dataset=dataset, device=device), seed)
    with tempfile.TemporaryDirectory() as folder:
        request = SearchRequest(
            dataset=dataset,
            device=device,
            budget=budget,
            seed=seed,
            store=Path(folder, "store"),
            out=Path(folder, "run"),
        )
        search(request, Inputs(benchmark=setting.benchmark, predicted_pct=setting.predicted_pct))
        with HeuristicStore.open(Path(folder, "store"), readonly=True) as store:
            return audit(store, dataset, device)


def summary(runs: list[Audited]) -> Summary:
    """Totals over runs."""
    reports = [run.report for run in runs]
    claims = np.array([r.claims for r in reports])
    count: Counter[Objective] = Counter()
    held: Counter[Objective] = Counter()
    for report in reports:
        for objective, (number, covered) in report.by_objective.items():
            count[objective] += number
            held[objective] += covered
    total = max(int(claims.sum()), 1)
    return Summary(
        runs=len(reports),
        claims=int(claims.sum()),
        fewest_claims=int(claims.min()),
        runs_below_margin=int((claims < MARGIN).sum()),
        sign_precision=sum(r.claims * (r.sign_precision or 0.0) for r in reports) / total,
        interval_coverage=sum(held.values()) / total,
        claims_by_objective=count,
        coverage_by_objective={o: held[o] / count[o] for o in count},
    )


def kept(out: Path | None) -> list[Audited]:
    """Runs an earlier, interrupted call had finished."""
    if out is None or not out.exists():
        return []
    return [Audited.model_validate_json(line) for line in out.read_text().splitlines()]


def missing(options: argparse.Namespace, done: list[Audited]) -> Iterator[tuple[str, str, int]]:
    """Context and seed of every run still to do."""
    keys = {run.key for run in done}
    for dataset in options.datasets.split(","):
        for seed in map(int, options.seeds.split(",")):
            for device in options.devices.split(","):
                if (dataset, device, seed, options.budget) not in keys:
                    yield dataset, device, seed


def main() -> None:
    """Run every context and seed asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="10,11,12")
    parser.add_argument("--budget", type=int, default=120)
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--devices", default=",".join(benchmark_in(None).devices()))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    runs = kept(options.out)
    for dataset, device, seed in missing(options, runs):
        report = audited(dataset, device, seed, options.budget)
        run = Audited(seed=seed, budget=options.budget, report=report)
        runs.append(run)
        if options.out:
            with options.out.open("a") as stream:
                stream.write(run.model_dump_json() + "\n")
        sys.stdout.write(
            f"{dataset} {device} {seed}: {report.claims} claims, sign "
            f"{report.sign_precision}, coverage {report.interval_coverage}\n"
        )
        sys.stdout.flush()
    sys.stdout.write(summary(runs).model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    main()
