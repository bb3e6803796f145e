"""Audit the heuristics of many searches: 18 contexts, some seeds, on the tables in use.

    python benchmarks/knowledge_audit.py --seeds 3 --budget 120

Prints one line a run and a summary: claims, precision of sign, coverage of intervals.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from llm_nas.domain import DATASETS, SearchRequest
from llm_nas.experiments.audit import AuditReport, audit
from llm_nas.experiments.setting import ContextName, benchmark_in, open_setting
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.knowledge.store import HeuristicStore


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


def summary(reports: list[AuditReport]) -> dict[str, float | int]:
    """Totals over runs; shares weigh every claim equally."""
    claims = np.array([r.claims for r in reports])
    sign = sum(r.claims * (r.sign_precision or 0.0) for r in reports)
    covered = sum(r.claims * (r.interval_coverage or 0.0) for r in reports)
    return {
        "runs": len(reports),
        "claims": int(claims.sum()),
        "fewest_claims": int(claims.min()),
        "sign_precision": sign / max(int(claims.sum()), 1),
        "interval_coverage": covered / max(int(claims.sum()), 1),
    }


def main() -> None:
    """Run every context and seed asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=120)
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--devices", default=",".join(benchmark_in(None).devices()))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    reports: list[AuditReport] = []
    for dataset in options.datasets.split(","):
        for seed in range(options.seeds):
            for device in options.devices.split(","):
                report = audited(dataset, device, seed, options.budget)
                reports.append(report)
                sys.stdout.write(
                    f"{dataset} {device} {seed}: {report.claims} claims, sign "
                    f"{report.sign_precision}, coverage {report.interval_coverage}\n"
                )
                sys.stdout.flush()
    document = summary(reports)
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    if options.out:
        rows = [report.model_dump(mode="json") for report in reports]
        options.out.write_text(json.dumps({"summary": document, "runs": rows}, indent=1))


if __name__ == "__main__":
    main()
