"""The search as users call it: files, determinism, kills, bad input."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from llm_nas.domain import FloatArray, SearchReport
from llm_nas.errors import DataError, LlmNasError, RequestError, RunStopped, StoreError
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import resume, search
from llm_nas.graph.trace import read_trace
from llm_nas.knowledge.store import HeuristicStore, default_store_dir
from llm_nas.tools.space import nas_bench_201
from tests.graph.requests import RequestMaker

SPACE = nas_bench_201()


def front(report: SearchReport) -> list[tuple[str, float]]:
    return [(p.arch, p.latency_ms) for p in report.front]


def test_a_run_leaves_everything_it_promises(inputs: Inputs, request_of: RequestMaker) -> None:
    report = search(request_of(), inputs)
    folder = report.out
    written = json.loads((folder / "result.json").read_text())
    assert written == report.model_dump(mode="json")
    for name in ("protocol", "request", "data_source", "model", "seed", "evaluations", "front"):
        assert name in written
    assert set(written["proposals"]) == {"raw", "repaired", "duplicate", "novel", "rejected"}
    spend = {"calls", "tokens_in", "tokens_out", "usd", "seconds", "roles"}
    assert set(written["cost"]) == spend
    assert set(written["front"][0]) == {
        "arch",
        "niche",
        "predicted_accuracy_pct",
        "test_accuracy_pct",
        "latency_ms",
        "interval_pct",
    }
    assert written["front"][0]["interval_pct"] is None
    measured = {e.data["arch"] for e in read_trace(folder) if e.event == "measurement"}
    assert set(written["finalists"]) <= measured
    assert 0 < len(set(written["finalists"])) == len(written["finalists"]) <= 20
    assert report.evaluations == 30
    assert 0.0 < report.hv <= 1.0
    assert "surrogate tables" in report.data_source
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "checkpoint.sqlite").stat().st_size < 2_000_000
    assert not list(folder.glob(".*"))


def test_the_trace_follows_every_cell(inputs: Inputs, request_of: RequestMaker) -> None:
    report = search(request_of(), inputs)
    events = read_trace(report.out)
    measured = [e for e in events if e.event == "measurement"]
    assert len({e.data["arch"] for e in measured}) == report.evaluations
    for event in measured:
        place = (event.generation, event.niche)
        same = [e for e in events if (e.generation, e.niche) == place]
        arch = event.data["arch"]
        assert any(e.event == "proposal" and e.data["arch"] == arch for e in same)
        verdict = [e for e in same if e.event == "verdict" and e.data["arch"] == arch]
        assert verdict[0].data["decision"] == "accepted"
    children = [e for e in events if e.event == "proposal" and e.data["parents"]]
    known = {e.data["arch"] for e in measured}
    assert children
    assert all(parent in known for e in children for parent in e.data["parents"])


def test_equal_seeds_give_equal_fronts_and_others_do_not(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    first = search(request_of("a"), inputs)
    second = search(request_of("b"), inputs)
    other = search(request_of("c", seed=1), inputs)
    assert front(first) == front(second)
    cells = {e.data["arch"] for e in read_trace(first.out) if e.event == "measurement"}
    others = {e.data["arch"] for e in read_trace(other.out) if e.event == "measurement"}
    assert cells != others


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_run_resumes_to_the_same_front(
    inputs: Inputs, request_of: RequestMaker, times: int
) -> None:
    """Ctrl-C ends a run between two steps, a second one at once."""
    whole = search(request_of("whole"), inputs)
    stopped = request_of("stopped")

    def interrupt(generation: int, cells: int) -> None:
        if generation == 2:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)

    notes: list[str] = []
    with pytest.raises(RunStopped, match="interrupted; go on with: llm-nas search --resume"):
        search(stopped, replace(inputs, progress=interrupt, note=notes.append))
    assert notes == ["stopping after what is under way; Ctrl-C again stops at once"]
    assert not (request_of.folder / "stopped" / "result.json").exists()
    resumed = resume(request_of.folder / "stopped", inputs)
    assert front(resumed) == front(whole)
    assert resumed.evaluations == whole.evaluations
    assert resume(request_of.folder / "stopped", inputs) == resumed


_CHILD = """
import sys
from pathlib import Path
from llm_nas.domain import SearchRequest
from llm_nas.graph.search import search
search(SearchRequest(dataset="cifar10", device="fpga", budget=60, generations=6, labels=200,
                     out=Path(sys.argv[1])))
"""


@pytest.mark.parametrize("measured_before_kill", [1, 25])
def test_a_killed_run_pays_for_no_cell_twice(
    measured_before_kill: int, tmp_path: Path, request_of: RequestMaker
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "LLM_NAS_DATA"}
    folder = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(folder)], env=environment)
    deadline = time.monotonic() + 120
    while _measured(folder) < measured_before_kill and time.monotonic() < deadline:
        assert child.poll() is None, "the child ended before it could be killed"
        time.sleep(0.01)
    child.kill()
    child.wait()
    paid = _rows(folder)
    assert len(paid) >= measured_before_kill
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LLM_NAS_DATA", raising=False)
        resumed = resume(folder)
        undisturbed = search(request_of("whole", budget=60, generations=6, labels=200))
    assert front(resumed) == front(undisturbed)
    assert resumed.evaluations == 60
    assert set(paid) <= set(_rows(folder))
    measured = [e.data["arch"] for e in read_trace(folder) if e.event == "measurement"]
    assert len(measured) == len(set(measured)) == 60


def _measured(folder: Path) -> int:
    try:
        return len(_rows(folder))
    except sqlite3.Error:
        return 0


def _rows(folder: Path) -> list[tuple[object, ...]]:
    if not (folder / "checkpoint.sqlite").exists():
        return []
    query = "SELECT arch, generation, niche, predicted_accuracy_pct FROM measurement"
    with sqlite3.connect(f"file:{folder}/checkpoint.sqlite?mode=ro", uri=True) as db:
        rows = db.execute(query + " ORDER BY generation, rank, seq").fetchall()
    db.close()
    return rows


def test_heuristics_outlive_the_run(inputs: Inputs, request_of: RequestMaker) -> None:
    search(request_of("cold"), inputs)
    with HeuristicStore.open(default_store_dir(), readonly=True) as store:
        assert store.list()
    shared = request_of.folder / "shared"
    first = search(request_of("one", store=shared), inputs)
    second = search(request_of("two", store=shared), inputs)
    assert not read_trace(first.out)[0].data["inherited"]
    inherited = read_trace(second.out)[0].data["inherited"]
    assert inherited
    elsewhere = search(request_of("three", store=shared, device="edgegpu"), inputs)
    abroad = read_trace(elsewhere.out)[0].data["inherited"]
    with HeuristicStore.open(shared, readonly=True) as store:
        assert {d for key in inherited for d in store.show(key).claim.scope.devices} == {"fpga"}
        assert not {d for key in abroad for d in store.show(key).claim.scope.devices}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"dataset": "mnist"}, RequestError),
        ({"device": "toaster"}, RequestError),
        ({"device": "mine=/does/not/exist.csv"}, DataError),
        ({"partition": "count:conv"}, RequestError),
        ({"data_dir": "/does/not/exist"}, LlmNasError),
        ({"model": "openai:gpt-4.1"}, RequestError),
    ],
)
def test_bad_requests_leave_nothing_behind(
    changes: dict[str, object],
    error: type[LlmNasError],
    request_of: RequestMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("LLM_NAS_API_KEY", raising=False)
    with pytest.raises(error) as caught:
        search(request_of("refused", **changes))
    assert "\n" not in str(caught.value)
    assert not (request_of.folder / "refused").exists()


def test_a_device_of_ones_own_searches_only_its_cells(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    cells = range(0, SPACE.size, 5)
    lines = [f"{SPACE.format(SPACE.cell(i))},{1.0 + i / 1e4}" for i in cells]
    table = request_of.folder / "mine.csv"
    table.write_text("arch,latency_ms\n" + "\n".join(lines) + "\n")
    report = search(request_of(device=f"mine={table}"), inputs)
    assert report.latency_missing == SPACE.size - len(cells)
    assert {SPACE.index(SPACE.parse(p.arch)) % 5 for p in report.front} == {0}


def test_a_second_run_in_one_directory_is_refused(
    inputs: Inputs, request_of: RequestMaker
) -> None:
    search(request_of(), inputs)
    before = {p: p.stat().st_mtime_ns for p in (request_of.folder / "run").iterdir()}
    with pytest.raises(StoreError, match="already holds a run"):
        search(request_of(), inputs)
    assert {p: p.stat().st_mtime_ns for p in (request_of.folder / "run").iterdir()} == before


def test_what_lies_in_the_directory_of_a_refused_run_stays(request_of: RequestMaker) -> None:
    folder = request_of.folder / "run"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(RequestError):
        search(request_of(device="toaster"))
    assert [p.name for p in folder.iterdir()] == ["thesis.txt"]


def test_a_refused_warm_run_leaves_nothing_behind(
    inputs: Inputs, request_of: RequestMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("LLM_NAS_API_KEY", raising=False)
    store = request_of.folder / "shared"
    search(request_of("first", store=store), inputs)
    with pytest.raises(RequestError):
        search(request_of("refused", store=store, model="openai:gpt-4.1"), inputs)
    assert not (request_of.folder / "refused").exists()


def test_a_budget_below_the_niches_is_spent_exactly(
    inputs: Inputs, request_of: RequestMaker, predicted_pct: FloatArray
) -> None:
    assert search(request_of(budget=3, generations=5), inputs).evaluations == 3
    assert len(predicted_pct) == SPACE.size
