"""The search as users call it: files, determinism, kills, bad input."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import Candidate, SearchReport
from llm_nas.errors import LlmNasError, RunStopped, StoreError
from llm_nas.graph.nodes import deal
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search
from tests.graph.conftest import RequestMaker
from tests.tiny import rows

QUIET = Inputs(picture=False)


def front(report: SearchReport) -> list[tuple[str, float]]:
    return [(p.arch, p.latency_ms) for p in report.front]


def trained(folder: Path) -> list[str]:
    return [e.data["arch"] for e in read_trace(folder) if e.event == "measurement"]


def test_a_run_leaves_everything_it_promises(request_of: RequestMaker) -> None:
    report = search(request_of(), Inputs())
    folder = report.out
    written = json.loads((folder / "result.json").read_text())
    assert written == report.model_dump(mode="json")
    assert written["protocol"] == 2
    assert report.trainings == 24
    assert set(written["front"][0]) == {
        "arch",
        "niche",
        "accuracy_pct",
        "test_accuracy_pct",
        "latency_ms",
        "latency_low_ms",
        "latency_high_ms",
        "params_m",
        "macs_m",
        "onnx",
    }
    assert list(report.hv_at) == ["12", "24"]
    assert report.hv is not None
    assert 0.5 < report.hv <= 1.0
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    assert {m for m, _, _ in rows()} >= set(trained(folder))
    assert any("288 architectures" in note for note in report.notes)


def test_the_trace_follows_every_network(request_of: RequestMaker) -> None:
    report = search(request_of(), QUIET)
    events = read_trace(report.out)
    measured = [e for e in events if e.event == "measurement"]
    assert len({e.data["arch"] for e in measured}) == 24
    for event in measured:
        same = [e for e in events if (e.generation, e.niche) == (event.generation, event.niche)]
        arch = event.data["arch"]
        assert {"latency_ms", "accuracy_pct"} <= set(event.data)
        assert any(e.event == "candidate" and e.data["arch"] == arch for e in same)
        verdict = [e for e in same if e.event == "verdict" and e.data["arch"] == arch]
        assert verdict[0].data["decision"] == "accepted"
    plans = [e for e in events if (e.role, e.event) == ("plan", "slots")]
    assert [e.generation for e in plans] == [0, 1, 2, 3, 4]
    assert all(why["reason"] for e in plans for why in e.data["why"])


def test_equal_seeds_give_equal_runs_and_others_do_not(request_of: RequestMaker) -> None:
    first = search(request_of("a"), QUIET)
    second = search(request_of("b"), QUIET)
    other = search(request_of("c", seed=1), QUIET)
    assert trained(first.out) == trained(second.out)
    assert front(first) == front(second)
    assert trained(first.out) != trained(other.out)


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_run_resumes_to_the_same_front(
    request_of: RequestMaker, times: int
) -> None:
    """Ctrl-C ends a run between two steps, a second one at once."""
    whole = search(request_of("whole"), QUIET)

    def interrupt(told: Mapping[str, Any]) -> None:
        if told.get("generation") == 2:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)

    stopped = request_of("stopped")
    notes: list[str] = []
    with pytest.raises(RunStopped, match="interrupted; go on with: llm-nas search --resume"):
        search(stopped, Inputs(picture=False, progress=interrupt, note=notes.append))
    assert notes == ["stopping after what is under way; Ctrl-C again stops at once"]
    assert stopped.out is not None
    assert not (stopped.out / "result.json").exists()
    resumed = resume(stopped.out, QUIET)
    assert front(resumed) == front(whole)
    assert resumed.trainings == whole.trainings
    assert resume(stopped.out, QUIET) == resumed


_CHILD = """
import sys
from llm_nas.cli import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("after_s", [0.0, 1.0, 2.0, 4.0])
def test_a_killed_run_is_resumed_and_trains_nothing_twice(
    request_of: RequestMaker, world: dict[str, str], after_s: float
) -> None:
    """kill -9 as soon as the request is written, while ports open, while it searches."""
    whole = search(request_of("whole"), QUIET)
    folder = whole.out.parent / "killed"
    names = [f"--{name}={value}" for name, value in world.items()]
    sizes = ["--trainings=24", "--opening=8", "--batch=4", f"--out={folder}"]
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, "search", *names, *sizes], stdout=subprocess.DEVNULL
    )
    while not (folder / "request.json").exists() and child.poll() is None:
        time.sleep(0.005)
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    child.wait()
    resumed = resume(folder, QUIET)
    assert front(resumed) == front(whole)
    assert resumed.trainings == 24
    assert trained(folder) == trained(whole.out)


def test_paid_trainings_take_their_slots_first_when_answers_change(
    request_of: RequestMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between paying and recording, then resumed with a Designer that says otherwise."""
    from llm_nas.agents.offline.designer import OfflineDesigner
    from llm_nas.graph.record.ledger import Ledger

    request = request_of("changing")
    record = Ledger.record

    def dies(self: Ledger, generation: int, *rest: Any) -> None:
        if generation == 1:
            raise KeyboardInterrupt
        record(self, generation, *rest)

    monkeypatch.setattr(Ledger, "record", dies)
    with pytest.raises(RunStopped):
        search(request, QUIET)
    monkeypatch.setattr(Ledger, "record", record)
    propose = OfflineDesigner.propose

    def backwards(self: OfflineDesigner, *rest: Any) -> tuple[Candidate, ...]:
        return tuple(reversed(propose(self, *rest)))

    monkeypatch.setattr(OfflineDesigner, "propose", backwards)
    assert request.out is not None
    report = resume(request.out, QUIET)
    assert report.trainings == 24
    measured = [e for e in read_trace(request.out) if e.event == "measurement"]
    assert len(measured) == 24 == len({e.data["arch"] for e in measured})


def test_a_request_is_written_before_anything_is_opened(
    request_of: RequestMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    request = request_of("early")

    def opening(*rest: Any, **more: Any) -> None:
        assert request.out is not None
        seen.append((request.out / "request.json").exists())
        raise KeyboardInterrupt

    monkeypatch.setattr("llm_nas.graph.search.open_run", opening)
    with pytest.raises(KeyboardInterrupt):
        search(request, QUIET)
    assert seen == [True]
    monkeypatch.undo()
    assert request.out is not None
    assert resume(request.out, QUIET).trainings == 24


def test_spare_slots_go_to_the_least_trained_niches() -> None:
    niches = [f"S{i}" for i in range(6)]
    dealt: Counter[str] = Counter()
    for _ in range(3):
        measured = [
            rows_of for niche, n in dealt.items() for rows_of in [_row(niche, i) for i in range(n)]
        ]
        for plan in deal([], 10, niches, measured):
            dealt[plan["niche"]] += plan["slots"]
    assert dealt.total() == 30
    assert max(dealt.values()) - min(dealt[n] for n in niches) == 0


def _row(niche: str, i: int) -> Any:
    from tests.graph.test_ledger import row

    return row(f"{niche} {i}", niche)


def test_a_second_process_is_kept_out(request_of: RequestMaker) -> None:
    request = request_of("busy")
    assert request.out is not None

    def second(told: Mapping[str, Any]) -> None:
        if told.get("generation") == 0:
            with pytest.raises(StoreError, match="another process is working on this run"):
                resume(request.out or "", QUIET)

    search(request, Inputs(picture=False, progress=second))


def test_a_past_checkpoint_is_refused_where_the_ledger_holds_the_future(
    request_of: RequestMaker,
) -> None:
    """A rewound state would give the old front in silence; forking has a door of its own."""
    from langgraph.checkpoint.memory import InMemorySaver

    from llm_nas.graph.build import build_graph

    graph = build_graph(InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    fields = request_of("forked").model_dump(mode="json")
    graph.invoke(fields, config)
    past = [s for s in graph.get_state_history(config) if s.next == ("plan",)]
    early = next(s for s in past if s.values["generation"] == 2)
    with pytest.raises(RunStopped, match="llm-nas fork"):
        graph.invoke(None, graph.update_state(early.config, {"generation": 2}))


def test_a_graph_without_checkpointer_or_context_runs_and_streams(
    request_of: RequestMaker,
) -> None:
    """What `langgraph dev` does: fields, flat, and an empty context."""
    from llm_nas.graph import graph

    fields = request_of("streamed", trainings=12).model_dump(mode="json")
    steps = list(graph.stream(fields, stream_mode="updates", context={}))
    names = [name for step in steps for name in step]
    assert names[0] == "open"
    assert names[-1] == "report"
    last = steps[-1]["report"]
    assert last["trainings"] == 12
    assert last["front"]
    learned = [step["learn"]["progress"] for step in steps if "learn" in step]
    assert [told["trained"] for told in learned] == [8, 4]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"task": "nowhere.csv"}, "nowhere.csv"),
        ({"device": "board=nowhere.csv"}, "nowhere.csv"),
        ({"space": "nowhere.py"}, "nowhere.py"),
        ({"device": "toaster"}, "toaster"),
        ({"partition": "by-colour"}, "by-colour"),
    ],
)
def test_a_refused_request_leaves_no_folder(
    request_of: RequestMaker, fields: dict[str, str], words: str
) -> None:
    request = request_of("refused").model_copy(update=fields)
    with pytest.raises(LlmNasError, match=words):
        search(request, QUIET)
    assert request.out is not None
    assert not request.out.exists()


def test_a_broken_database_is_one_line(request_of: RequestMaker) -> None:
    request = request_of("broken")
    assert request.out is not None
    request.out.mkdir()
    (request.out / run_dir.CHECKPOINT).write_bytes(b"not a database, but long enough" * 100)
    with pytest.raises(StoreError, match=r"broken.*database"):
        search(request, QUIET)
    assert sqlite3.sqlite_version
