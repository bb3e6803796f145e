"""Which cells are accurate and fast on one device?

Searches NAS-Bench-201 for a phone: 24 trainings, looked up in what ships with the package, in
about a minute, without network or key. Prints the fastest cell above 90 % and what was learned.
"""

import tempfile
from pathlib import Path

from llm_nas import HeuristicStore, SearchRequest, search

with tempfile.TemporaryDirectory() as folder:
    home = Path(folder)
    report = search(
        SearchRequest(
            space="nb201",
            task="cifar10",
            device="pixel3",
            trainings=24,
            out=home / "run",
            store=home / "store",
        )
    )
    print(report.data_source)
    print(f"{report.trainings:g} trainings reach {report.hv:.3f} of the true front")
    accurate = [point for point in report.front if point.value >= 90.0]
    if accurate:
        fastest = min(accurate, key=lambda point: point.latency_ms)
        print(f"{fastest.latency_ms:.2f} ms, test {fastest.test_value:.2f} %: {fastest.arch}")
    with HeuristicStore.open(home / "store") as store:
        for claim in store.list(limit=3):
            print(claim.status, claim.claim.statement)
