"""Wishes of people while a run goes on, and forks: what changes, and that the past does not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import SearchReport
from llm_nas.errors import RequestError, RunStopped
from llm_nas.graph.forks.fork import fork
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search
from llm_nas.graph.steps.steer import wish, wishes
from tests.graph.conftest import RequestMaker
from tests.tiny import rows

QUIET = Inputs(picture=False)
WANTED = "depth=2 kernel=5 width=24 se=1 pool=none"


def trained(folder: Path) -> list[str]:
    return [e.data["arch"] for e in read_trace(folder) if e.event == "measurement"]


def generations(folder: Path) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for event in read_trace(folder):
        if event.event == "measurement":
            found.setdefault(event.generation, []).append(event.data["arch"])
    return found


def wishing(folder: Path, when: int, *asked: dict[str, Any]) -> Inputs:
    """Wishes that arrive while a generation is at work."""

    def progress(told: Mapping[str, Any]) -> None:
        if told.get("generation") == when:
            for fields in asked:
                wish(folder, fields)

    return Inputs(picture=False, progress=progress)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, world: dict[str, str]) -> SearchReport:
    from llm_nas.domain import SearchRequest

    out = tmp_path_factory.mktemp("source") / "run"
    request = SearchRequest(**world, out=out, trainings=24, opening=8, batch=4)  # type: ignore[arg-type]
    return search(request, QUIET)


def test_wishes_are_heard_at_the_next_generation_and_told(request_of: RequestMaker) -> None:
    request = request_of("steered")
    assert request.out is not None
    asked: list[dict[str, Any]] = [
        {"kind": "next", "arch": WANTED},
        {"kind": "next", "arch": "depth=99"},
        {"kind": "limit", "limit": "max_latency_ms", "value": 2.0},
        {"kind": "ban", "claim": "0123456789abcdef"},
    ]
    report = search(request, wishing(request.out, 1, *asked))
    later = generations(request.out)
    assert WANTED in later[2]
    slow = [m for g, archs in later.items() if g >= 2 for m in archs]
    measured = {
        e.data["arch"]: e.data for e in read_trace(request.out) if e.event == "measurement"
    }
    assert all(measured[arch]["latency_ms"] <= 2.0 for arch in slow)
    assert measured[WANTED]["origin"] == "person"
    events = [e for e in read_trace(request.out) if e.role == "steer"]
    assert [e.data.get("kind") for e in events if e.event == "wish"] == [a["kind"] for a in asked]
    (refused,) = [e for e in events if e.event == "refused"]
    assert refused.data["arch"] == "depth=99"
    assert {e.generation for e in events} == {2}
    assert report.request.max_latency_ms == 2.0
    assert report.request.ban == ("0123456789abcdef",)


def test_a_steered_run_that_is_stopped_and_resumed_repeats_what_it_was_asked(
    request_of: RequestMaker,
) -> None:
    """What was read is in the ledger: wishes that came too late are heard later, in both."""
    asked = (
        {"kind": "next", "arch": WANTED},
        {"kind": "limit", "limit": "max_latency_ms", "value": 3.0},
    )
    whole, stopped = request_of("whole"), request_of("stopped")
    assert whole.out is not None
    assert stopped.out is not None
    search(whole, wishing(whole.out, 1, *asked))
    with pytest.raises(RunStopped, match="stopped by a person; go on with"):
        search(stopped, wishing(stopped.out, 1, *asked, {"kind": "stop"}))
    assert len(wishes(stopped.out)) == 3
    report = resume(stopped.out, QUIET)
    assert report.trainings == 24
    assert trained(stopped.out) == trained(whole.out)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "explode"},
        {"kind": "ban"},
        {"kind": "ban", "claim": "../../etc"},
        {"kind": "limit", "limit": "seed", "value": 1},
        {"kind": "limit", "limit": "max_latency_ms", "value": -1},
        {"kind": "limit", "limit": "trainings", "value": 1.5},
        {"kind": "next", "arch": "x" * 5000},
        {"kind": "stop", "shell": "rm"},
        [],
    ],
)
def test_a_wish_that_is_none_is_refused_and_not_written(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(RequestError, match="wish"):
        wish(tmp_path, wrong)
    assert not (tmp_path / run_dir.STEER).exists()


def test_a_damaged_file_of_wishes_harms_nobody(request_of: RequestMaker) -> None:
    request = request_of("damaged")
    assert request.out is not None
    request.out.mkdir()
    (request.out / run_dir.STEER).write_bytes(b"{]\n\xff\n" + b'{"kind":"next"')
    assert search(request, QUIET).trainings == 24


@pytest.mark.parametrize(
    ("generation", "changes"),
    [(1, {"max_latency_ms": 1.0}), (2, {"batch": 6}), (3, {"trainings": 32})],
)
def test_a_fork_shares_the_past_and_has_a_future_of_its_own(
    source: SearchReport, tmp_path: Path, generation: int, changes: dict[str, Any]
) -> None:
    """Fault: an earlier state that goes on in the old folder gives the old front in silence."""
    before = (source.out / "trace.jsonl").read_bytes()
    report = fork(source.out, generation, changes | {"out": tmp_path / "fork"}, QUIET)
    old, new = generations(source.out), generations(report.out)
    assert [old[g] for g in range(generation)] == [new[g] for g in range(generation)]
    assert [old[g] for g in range(generation, 5)] != [
        new.get(g) for g in range(generation, max(new) + 1)
    ]
    assert report.trainings == changes.get("trainings", 24)
    told = json.loads((report.out / "fork.json").read_text())
    curves = told["curves"]
    assert [len(curves[name]) for name in ("source", "fork")] == [24, report.trainings]
    past = sum(len(old[g]) for g in range(generation))
    assert curves["source"][:past] == curves["fork"][:past]
    assert (report.out / "fork.png").read_bytes().startswith(b"\x89PNG")
    assert (source.out / "trace.jsonl").read_bytes() == before


def test_a_fork_without_a_change_repeats_the_run(source: SearchReport, tmp_path: Path) -> None:
    report = fork(source.out, 2, {"out": tmp_path / "same"}, QUIET)
    assert trained(report.out) == trained(source.out)


def test_a_fork_to_another_device_gives_the_past_its_latencies_there(
    source: SearchReport, tmp_path: Path
) -> None:
    (tmp_path / "slow.csv").write_text(
        "\n".join(["arch,latency_ms", *(f"{a},{9.0 - ms:.5f}" for a, _, ms in rows())]) + "\n"
    )
    changes = {"device": f"slow={tmp_path / 'slow.csv'}", "out": tmp_path / "there"}
    report = fork(source.out, 2, changes, QUIET)
    assert report.device == "slow"
    here = {a: round(9.0 - ms, 5) for a, _, ms in rows()}
    assert all(point.latency_ms == pytest.approx(here[point.arch]) for point in report.front)


@pytest.mark.parametrize(
    ("generation", "changes", "line"),
    [
        (9, {}, "has generations 0 to 4"),
        (1, {"space": "anb"}, "space cannot be changed"),
        (1, {"ban": ("nothing",)}, "ban"),
    ],
)
def test_an_impossible_fork_is_refused_and_leaves_nothing(
    source: SearchReport, tmp_path: Path, generation: int, changes: dict[str, Any], line: str
) -> None:
    with pytest.raises((RequestError, ValueError), match=line):
        fork(source.out, generation, changes | {"out": tmp_path / "refused"}, QUIET)
    assert not (tmp_path / "refused").exists()
