"""A writer killed at any moment loses nothing it had acknowledged."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from llm_nas.knowledge.eventlog import EventLog

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "knowledge_crash.py"


def test_stores_survive_their_writers() -> None:
    """Five of the hundred kills of the benchmark, one of each kind."""
    call = [sys.executable, str(BENCHMARK), "--kills", "5", "--json"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    body = json.loads(done.stdout)
    assert (done.returncode, body["kills"], body["wrong"]) == (0, 5, 0), body
    assert sum(check["acknowledged"] for checks in body["rounds"].values() for check in checks)


def test_a_writer_without_a_break_lets_others_in(tmp_path: Path) -> None:
    done = threading.Event()
    greedy, modest = EventLog(tmp_path), EventLog(tmp_path)

    def write_on() -> None:
        while not done.is_set():
            with greedy.writing():
                greedy.append("greedy", "", "{}")
                time.sleep(0.01)

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        for _ in range(3):
            with modest.writing():
                modest.append("modest", "", "{}")
    finally:
        done.set()
        thread.join()
    kinds = [event.kind for event in modest.events()]
    greedy.close()
    modest.close()
    assert kinds.count("modest") == 3
    assert kinds.count("greedy") < 20
