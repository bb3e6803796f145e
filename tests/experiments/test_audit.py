"""Supported claims judged by the whole table."""

import json
from pathlib import Path

import pytest

from llm_nas.claims import Claim, Effect, Evidence, Heuristic, OpAt, Origin, Scope
from llm_nas.cli import run
from llm_nas.domain import SearchRequest
from llm_nas.evaluation.truth import open_context
from llm_nas.experiments.audit import judge
from llm_nas.graph.search import search
from llm_nas.knowledge.store import default_world
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.latency import open_energy


@pytest.fixture
def _pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLM_NAS_DATA", raising=False)


def _believed(direction: str, low: float, high: float) -> Heuristic:
    claim = Claim(
        condition=OpAt(edge="1>4", op="nor_conv_3x3"),
        effect=Effect.model_validate({"objective": "energy", "direction": direction}),
        scope=Scope(),
        origin=Origin(source="test"),
    )
    evidence = Evidence(method="matched pairs", mean_effect=(low + high) / 2, low=low, high=high)
    return Heuristic(id=claim.key, claim=claim, status="supported", evidence=evidence)


@pytest.mark.usefixtures("_pack")
def test_signs_and_intervals_are_checked_on_the_table() -> None:
    benchmark = open_benchmark()
    truth = open_context(benchmark, "cifar10", benchmark.latency_ms("cifar10", "fpga"))
    energy_mj = open_energy(benchmark, "cifar10", "fpga")
    assert energy_mj is not None
    right, narrow = _believed("raises", 0.0, 1e6), _believed("raises", 1e5, 1e6)
    wrong = _believed("lowers", -1e6, -1e5)
    report = judge([right, narrow, wrong], truth, "cifar10/fpga", default_world(), energy_mj)
    assert report.claims == 3
    assert report.sign_precision == pytest.approx(2 / 3)
    assert report.interval_coverage == pytest.approx(1 / 3)
    assert report.by_objective == {"energy": (3, 1)}
    assert [m.id for m in report.worst] == [wrong.id, narrow.id]
    without = judge([right], truth, "cifar10/fpga", default_world())
    assert (without.claims, without.untestable) == (0, 1)


@pytest.mark.usefixtures("_pack")
def test_the_shell_prints_one_json_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = SearchRequest(
        dataset="cifar10",
        device="fpga",
        budget=40,
        generations=3,
        labels=200,
        store=tmp_path / "store",
        out=tmp_path / "run",
    )
    search(request)
    call = ["heuristics", "audit", "--dataset", "cifar10", "--device", "fpga", "--json"]
    assert run([*call, "--store", str(tmp_path / "store")]) == 0
    body = json.loads(capsys.readouterr().out)
    assert {"claims", "sign_precision", "interval_coverage", "worst"} <= set(body)
    assert body["claims"] == sum(count for count, _ in body["by_objective"].values())
    assert "energy" in body["by_objective"]
