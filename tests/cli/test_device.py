"""`llm-nas device` and `finish` at the shell."""

import json
import sys
from pathlib import Path

import pytest
from torch import nn

from llm_nas.cli import run
from llm_nas.domain import TaskShape
from llm_nas.tools.devices.remote import RUNNER
from llm_nas.tools.export.onnx_file import export


def test_a_file_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 10))
    export(network, TaskShape(height=8, width=8), path, "trace")
    assert run(["device", "time", str(path), "--device", "host", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"median_ms", "low_ms", "high_ms", "n", "notes"}
    assert found["low_ms"] <= found["median_ms"] <= found["high_ms"]
    assert found["n"] >= 50


def test_bad_requests_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["device", "time", str(tmp_path / "none.onnx")],
        ["device", "check", "x=ftp://y"],
        ["finish", str(tmp_path)],
    ):
        assert run(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.strip().splitlines()) == 1
    assert run(["device", "runner"]) == 0
    assert capsys.readouterr().out == RUNNER.read_text()


def test_a_device_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["device", "check", f"copy=cmd:{sys.executable} {{runner}}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"] == "copy"
    assert found["median_ms"] > 0
