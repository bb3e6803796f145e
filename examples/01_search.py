"""Find cells for a device, look at the front, and ask what was learned.

Runs offline in a few seconds; prints the fastest cell that keeps 90 % predicted accuracy.
"""

import tempfile
from pathlib import Path

from llm_nas import HeuristicStore, SearchRequest, search

with tempfile.TemporaryDirectory() as folder:
    report = search(
        SearchRequest(
            dataset="cifar10",
            device="pixel3",
            budget=60,
            generations=5,
            out=Path(folder) / "run",
            store=Path(folder) / "store",
        )
    )
    print(f"{report.data_source}: hv {report.hv:.3f} of the true front")
    accurate = [p for p in report.front if p.predicted_accuracy_pct >= 89.0]
    if accurate:
        fastest = min(accurate, key=lambda p: p.latency_ms)
        print(f"{fastest.latency_ms:.2f} ms, {fastest.test_accuracy_pct:.2f} %: {fastest.arch}")
    with HeuristicStore.open(Path(folder) / "store") as store:
        for found in store.ask("lower latency on pixel3, lose less than 1 % accuracy").findings:
            print(found.advice, found.heuristic.status, found.heuristic.claim.statement)
