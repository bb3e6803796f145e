"""Searches that train and time here: what breaks is recorded, charged and never tried again."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from llm_nas.domain import ACCURACY, Arch, Label, Measurement, SearchRequest, Timing
from llm_nas.errors import BudgetError
from llm_nas.graph.record.ledger import Ledger
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import search
from llm_nas.graph.steps.bounds import excess, searched_within
from llm_nas.graph.steps.recalled import Recalled, retimed
from llm_nas.graph.steps.trainer import Order, Trainer
from llm_nas.tools.devices.latency_model import foretold
from llm_nas.tools.spaces import open_space


class SlowTask:
    """Counts how many trainings run at once."""

    name, source, metric, chance = "slow", "here", ACCURACY, 10.0

    def __init__(self, seconds: float) -> None:
        self.seconds, self.running, self.most_at_once = seconds, 0, 0
        self._lock = threading.Lock()

    def train(self, arch: Arch, fidelity: float, seed: int) -> Label:
        """Wait; the label says nothing."""
        del fidelity, seed
        with self._lock:
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
        time.sleep(self.seconds)
        with self._lock:
            self.running -= 1
        return Label(arch=arch, value=50.0)


SPACE = """
import os, signal, torch
from torch import nn
from llm_nas import Choice, Space

class Fault(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
    def forward(self, x):
        if self.kind == "export" and torch.onnx.is_in_onnx_export():
            raise RuntimeError("no such operator")
        if self.kind == "kill" and self.training:
            os.kill(os.getpid(), signal.SIGKILL)
        return x * torch.nan if self.kind == "nan" and self.training else x

def build(values, shape):
    if values["fault"] == "build":
        raise ValueError("no such layer")
    width = int(values["width"])
    first = nn.Conv2d(shape.channels, width, 3, padding=1)
    more = [nn.Conv2d(width, width, 3, padding=1) for _ in range(80)]
    more = more if values["fault"] == "slow" else []
    last = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, shape.classes)]
    return nn.Sequential(first, Fault(values["fault"]), *more, *last)

space = Space("odd", [Choice("width", (8, 16), ordered=True),
    Choice("fault", ("none", "build", "nan", "kill", "export", "slow"))], build=build)
"""


@pytest.mark.slow
def test_faults_of_all_kinds_cost_what_they_cost_and_the_search_goes_on(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(SPACE)
    request = SearchRequest(
        space=str(tmp_path / "odd.py"), task="digits", device="host", trainings=10, opening=4,
        batch=4, epochs=1, baselines=1, out=tmp_path / "run", store=tmp_path / "store",
    )  # fmt: skip
    said: list[str] = []
    report = search(request, Inputs(note=said.append))
    failed = {f.arch.rpartition("=")[2]: f for f in report.failures}
    assert set(failed) == {"build", "nan", "kill", "export"}
    assert {kind: f.trainings for kind, f in failed.items()} == {
        "build": 0, "export": 0, "nan": 1, "kill": 1
    }  # fmt: skip
    assert "SIGKILL" in failed["kill"].reason
    assert "no such operator" in failed["export"].reason
    assert max(Counter(f.arch for f in report.failures).values()) == 1
    assert report.trainings == 2 + 2 + 2  # good ones, not a number, killed
    events = read_trace(tmp_path / "run")
    slow = [e.data for e in events if (e.role, e.event) == ("time", "refused")]
    assert {row["kind"] for row in slow} <= {"too_slow"}
    trained = [e.data["arch"] for e in events if e.event == "measurement"]
    assert len(trained) == len(set(trained)) == 2
    assert all(arch.endswith("fault=none") for arch in trained)
    assert all((tmp_path / "run" / str(p.onnx)).is_file() for p in report.front)
    assert report.hv_baselines == 1.0
    assert report.baseline_trainings == 1.0
    assert any("baseline mobilenetv2" in line for line in said)
    kept = json.loads((tmp_path / "run" / "baselines.json").read_text())
    assert len(kept["rows"]) == 1


def test_limits_of_files_become_parameters() -> None:
    asked = SearchRequest(max_file_mb=2.0, max_params_m=1.0, max_latency_ms=5.0)
    within = searched_within(asked, 3.0)
    assert (within.max_latency_ms, within.max_params_m) == (3.0, 0.5)
    small = searched_within(asked.model_copy(update={"precision": "int8"}), None)
    assert (small.max_latency_ms, small.max_params_m) == (5.0, 1.0)
    assert excess(asked, {"latency_ms": 4.0, "params_m": 0.4}) == pytest.approx(0.8)
    assert excess(asked, {"latency_ms": 4.0, "params_m": 1.0}) == pytest.approx(2.0)


def test_workers_train_at_the_same_time_and_never_over_budget(tmp_path: Path) -> None:
    task, ledger = SlowTask(0.2), Ledger(tmp_path / "a.sqlite", ("Q0",))
    trainer = Trainer(task, ledger, 0, budget=5, workers=3)

    def one(number: int) -> Measurement | None:
        timing = Timing(arch=f"k={number}", median_ms=1, low_ms=1, high_ms=1)
        try:
            answer = trainer.train(Order(timing.arch, "Q0", 0, "test", timing))
        except BudgetError:
            return None
        assert isinstance(answer, Measurement)
        return answer

    with ThreadPoolExecutor(8) as pool:
        paid = [row for row in pool.map(one, range(8)) if row is not None]
    assert len(paid) == ledger.spent() == 5
    assert task.most_at_once == 3
    ledger.close()


def test_a_latency_model_is_judged_on_what_it_had_not_seen() -> None:
    space = open_space("mobile")
    rng = np.random.default_rng(0)
    archs = list(dict.fromkeys(space.sample(rng) for _ in range(60)))
    size = space.quantities(archs)["macs_m"]
    timings = [
        Timing(arch=a, median_ms=0.02 + 0.01 * s, low_ms=0.01, high_ms=0.03)
        for a, s in zip(archs, size.tolist(), strict=True)
    ]
    told = foretold(space, [timings[:30], timings[30:]])
    assert told is not None
    assert told.timings == len(timings) - 30
    assert told.inside >= 0.7 * told.timings
    assert foretold(space, [timings[:3]]) is None


def test_trainings_taken_over_get_latencies_of_this_device(tmp_path: Path) -> None:
    def row(arch: str) -> Measurement:
        return Measurement(arch=arch, niche="0", generation=-1, value=50.0, latency_ms=9.0,
                           latency_low_ms=9.0, latency_high_ms=9.0)  # fmt: skip

    (tmp_path / "recalled.json").write_text('{"claims": [], "trainings": {}}')
    held = Recalled((), {"a/b/c": (row("k=3"), row("k=5"))})
    timing = Timing(arch="k=3", median_ms=0.5, low_ms=0.4, high_ms=0.6)
    now = retimed(tmp_path, held, {"k=3": timing}).trainings["a/b/c"]
    assert [(m.arch, m.latency_ms, m.latency_high_ms) for m in now] == [("k=3", 0.5, 0.6)]
    kept = json.loads((tmp_path / "recalled.json").read_text())["trainings"]
    assert kept["a/b/c"][0]["latency_ms"] == 0.5
