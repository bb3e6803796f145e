"""`runs` and `fork` in the shell."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from llm_nas.cli import run
from llm_nas.domain import SearchRequest
from llm_nas.graph.record import run_dir
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import search
from tests.tiny import write_world


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, one that never began, and something else."""
    home = tmp_path_factory.mktemp("runs")
    fields: dict[str, Any] = {**write_world(tmp_path_factory.mktemp("world"))}
    fields |= {"trainings": 12, "opening": 8, "batch": 4}
    done = SearchRequest.model_validate({**fields, "out": home / "done"})
    search(done, Inputs(picture=False, keep=False))
    run_dir.create(SearchRequest.model_validate({**fields, "out": home / "empty"}), {})
    (home / "notes").mkdir()
    (home / "notes" / "todo.txt").write_text("mine")
    return home


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list_tells_every_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["run"]: row for row in told(capsys, "runs", "list", "--in", str(runs))}
    assert set(rows) == {"done", "empty"}
    assert rows["done"]["state"] == "finished"
    assert rows["done"]["trainings"] == 12
    assert 0 < rows["done"]["hv"] <= 1
    assert rows["empty"] | {"hv": None, "state": "stopped", "trainings": 0} == rows["empty"]
    assert run(["runs", "list", "--in", str(runs)]) == 0
    assert "finished" in capsys.readouterr().out


def test_show_is_the_result(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "runs", "show", str(runs / "done"))
    assert shown == json.loads((runs / "done" / "result.json").read_text())
    assert run(["runs", "show", str(runs / "empty")]) == 2
    assert "go on with: llm-nas search --resume" in capsys.readouterr().err
    assert run(["runs", "show", "nowhere"]) == 2


def test_a_fork_in_the_shell_tells_both_curves(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fork", str(runs / "done"), "--generation", "1", "--max-latency-ms", "1"]
    words += ["--ban", "0123456789abcdef", "--pin", "fedcba9876543210", "--trainings", "16"]
    found = told(capsys, *words, "--out", str(tmp_path / "fork"))
    assert found["request"]["ban"] == ["0123456789abcdef"]
    assert found["request"]["pin"] == ["fedcba9876543210"]
    assert found["fork"]["generation"] == 1
    curves = found["fork"]["curves"]
    assert curves["source"][:8] == curves["fork"][:8]
    assert [len(curves[name]) for name in ("source", "fork")] == [12, 16]
    assert run([*words, "--out", str(tmp_path / "fork")]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert run(["fork", str(runs / "done"), "--generation", "1", "--ban", "x y"]) == 2
    assert "--ban" in capsys.readouterr().err


def test_prune_removes_runs_without_a_training_and_asks_first(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = runs / "empty" / run_dir.NOW
    busy.write_text(json.dumps({"pid": os.getpid(), "at": "", "doing": []}))
    assert told(capsys, "runs", "prune", "--in", str(runs))["runs"] == []
    busy.unlink()
    asked = told(capsys, "runs", "prune", "--in", str(runs))
    assert asked == {"removed": False, "runs": ["empty"]}
    assert (runs / "empty").exists()
    assert told(capsys, "runs", "prune", "--in", str(runs), "--yes")["removed"]
    assert not (runs / "empty").exists()
    assert (runs / "done").exists()
    assert (runs / "notes" / "todo.txt").exists()
