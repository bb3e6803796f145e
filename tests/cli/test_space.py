"""`llm-nas space show`: a space as it is before a search."""

import json
from pathlib import Path

import pytest

from llm_nas.cli import run

NETWORKS = Path(__file__).parents[1] / "tools" / "spaces" / "around" / "networks.py"


def test_a_table_of_choices_and_three_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["space", "show", f"around:{NETWORKS}:make_residual", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["weighed_by"] == "macs_m"
    rows = {row["choice"]: row for row in shown["rows"]}
    assert rows["b1"]["values"] == [0, 1]
    assert 0 < rows["w1"]["share"] < 1
    assert rows["w1"]["ms"] is None
    smallest, middle, full = shown["networks"]
    assert [n["which"] for n in shown["networks"]] == ["smallest", "middle", "full"]
    assert smallest["macs_m"] < middle["macs_m"] < full["macs_m"]
    assert full["latency_ms"] is None


def test_latencies_say_whether_a_limit_can_be_met(capsys: pytest.CaptureFixture[str]) -> None:
    show = ["space", "show", "anb", "--device", "a100", "--max-latency-ms"]
    assert run([*show, "0.01"]) == 0
    assert "0.01 ms cannot be met: even the smallest takes" in capsys.readouterr().out
    assert run([*show, "1000"]) == 0
    shown = capsys.readouterr().out
    assert "1000 ms can be met: the smallest network takes" in shown
    assert any(line.startswith("full ") and " ms (" in line for line in shown.splitlines())


def test_without_a_device_nothing_is_promised(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["space", "show", "hwgpt-s", "--max-latency-ms", "1"]) == 0
    assert "not measured; name a --device" in capsys.readouterr().out
    assert run(["space", "show", "nowhere"]) == 2
