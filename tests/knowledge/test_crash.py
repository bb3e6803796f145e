"""A writer killed at any moment loses nothing it had acknowledged."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "knowledge_crash.py"


def test_stores_survive_their_writers() -> None:
    """Five of the hundred kills of the benchmark, one of each kind."""
    call = [sys.executable, str(BENCHMARK), "--kills", "5", "--json"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    body = json.loads(done.stdout)
    assert (done.returncode, body["kills"], body["wrong"]) == (0, 5, 0), body
    assert sum(check["acknowledged"] for checks in body["rounds"].values() for check in checks)
