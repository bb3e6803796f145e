"""Drafts: what is written, sent back, refused; by a scripted model, by files, and at random."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.transport import ChatReply, ChatRequest
from llm_nas.agents.model.ask import FormatError
from llm_nas.agents.model.draft import composed
from llm_nas.domain import Arch, Failure, Limits, TaskShape, Timing
from llm_nas.errors import RequestError
from llm_nas.experiments import draft as draft_module
from llm_nas.experiments.draft import DraftRequest, draft_space
from llm_nas.ports import SearchSpace
from llm_nas.tools.spaces import open_space
from llm_nas.tools.spaces.macro.drafts import catalogue_in_words, random_file

REQUEST = DraftRequest(task="digits", device="host", model="scripted:model")
GOOD = {
    "plan": "small",
    "lines": [
        {"toml": 'name = "mine"', "reason": ""},
        {"toml": 'about = "Small networks."', "reason": ""},
        {"toml": "[network]", "reason": "all widths\nmove together"},
        {"toml": "multiplier = [0.5, 1.0, 1.5]", "reason": "spread over latency"},
        *[
            entry
            for width in (16, 32, 64)
            for entry in (
                {"toml": "[[stages]]", "reason": ""},
                {"toml": f"width = {width}", "reason": ""},
                {"toml": "stride = 2", "reason": ""},
                {"toml": "depth = [1, 2, 3]", "reason": "depth pays"},
                {"toml": "expansion = [1, 4, 6]", "reason": "width pays"},
            )
        ],
    ],
}


class _Clock:
    """A device whose latency is the multiply-adds; what is deeper than `deepest` fails."""

    def __init__(self, space: SearchSpace, deepest: float = 99.0) -> None:
        self._space, self._deepest = space, deepest

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        sizes = self._space.quantities(archs)
        return [
            Failure(arch=a, stage="build", reason="too deep")
            if depth > self._deepest
            else Timing(arch=a, median_ms=m, low_ms=m, high_ms=m)
            for a, m, depth in zip(archs, sizes["macs_m"], sizes["depth"], strict=True)
        ]


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock instead of this machine."""
    settings = {"deepest": 99.0}

    def opened(name: str, space: SearchSpace, task: str, **rest: Any) -> _Clock:
        return _Clock(space, settings["deepest"])

    def context(name: Any, **rest: Any) -> Any:
        space = open_space("mobile", TaskShape())
        label = SimpleNamespace(task="digits", device="host")
        return SimpleNamespace(space=space, device=_Clock(space), label=label, about="A card.")

    monkeypatch.setattr(draft_module, "open_device", opened)
    monkeypatch.setattr(draft_module, "open_context", context)
    return settings


class _Scripted:
    """Gives its answers one after the other."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.asked: list[ChatRequest] = []

    def send(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request)
        text = json.dumps(self._answers.pop(0))
        return ChatReply(text, 10, 10, "scripted:model", "plain", "stop")


def _with(**changes: str) -> dict[str, Any]:
    """The good draft with some lines replaced."""
    lines = [
        {**line, "toml": changes.get(str(line["toml"]).split(" ")[0], line["toml"])}
        for line in GOOD["lines"]
        if isinstance(line, dict)
    ]
    return {"plan": "", "lines": lines}


def test_a_model_writes_a_space_with_reasons(tmp_path: Path) -> None:
    model = _Scripted(GOOD)
    out = tmp_path / "space.toml"
    report = draft_space(REQUEST, out, transport=model)
    assert open_space(str(out), TaskShape()).name == "mine"
    assert "depth = [1, 2, 3]  # depth pays" in out.read_text()
    assert "[network]  # all widths move together" in out.read_text()
    assert report.sent_back == 0
    assert report.within_limits == len(report.members) >= 10
    assert report.networks == pytest.approx(3 * 9**3)
    asked = "\n".join(turn.content for turn in model.asked[0].messages)
    for told in ("mbconv", "A card.", "multiply-adds", "[[stages]]"):
        assert told in asked


def test_a_draft_is_sent_back_three_times_with_what_is_wrong(
    tmp_path: Path, device: dict[str, float]
) -> None:
    limited = REQUEST.model_copy(update={"limits": Limits(max_latency_ms=2.0)})
    broken = _with(expansion="expansion = [1, 99]")
    few = _with(expansion="expansion = 1", depth="depth = 1")
    slow = _with(width="width = 2000")
    fits = _with(width="width = 8")
    model = _Scripted(broken, few, slow, fits)
    report = draft_space(limited, tmp_path / "space.toml", transport=model)
    assert report.sent_back == 3
    assert "stages.0.expansion" in report.problems[0]
    assert "fewer than 100" in report.problems[1]
    assert "keeps the limits (max_latency_ms 2)" in report.problems[2]
    assert "latency_ms" in model.asked[3].messages[-1].content
    device["deepest"] = 2.0
    with pytest.raises(RequestError, match=r"no usable draft.*do not run.*asked 4 times"):
        draft_space(REQUEST, tmp_path / "b.toml", transport=_Scripted(*[GOOD] * 4))
    assert not (tmp_path / "b.toml").exists()


def test_a_person_writes_it_by_files(tmp_path: Path) -> None:
    folder = tmp_path / "asked"

    def answer() -> None:
        while not (folder / "0001.request.json").exists():
            time.sleep(0.02)
        (folder / "0001.answer.json").write_text(json.dumps(GOOD))

    threading.Thread(target=answer, daemon=True).start()
    request = REQUEST.model_copy(update={"model": f"manual:{folder}"})
    report = draft_space(request, tmp_path / "space.toml", options=ModelOptions())
    assert report.model == "manual"
    assert (folder / "0001-drafter.md").exists()


def test_the_control_draws_from_the_catalogue(tmp_path: Path) -> None:
    request = REQUEST.model_copy(update={"model": "random", "seed": 3})
    first = draft_space(request, tmp_path / "a.toml")
    assert draft_space(request, tmp_path / "b.toml").text == first.text
    with pytest.raises(RequestError, match="expected a new file"):
        draft_space(request, tmp_path / "a.toml")
    for seed in range(20):
        (tmp_path / "drawn.toml").write_text(random_file(np.random.default_rng(seed)))
        assert open_space(str(tmp_path / "drawn.toml"), TaskShape()).log10_size > 0
    assert "attention" in catalogue_in_words()


@pytest.mark.parametrize("answer", [{}, {"lines": []}, {"lines": [3]}, {"lines": [{"toml": 1}]}])
def test_what_is_no_draft_is_asked_for_again(answer: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        composed(answer)


def test_a_reason_cannot_leave_its_comment() -> None:
    text = composed({"lines": [{"toml": "a = 1", "reason": 'x\r\nname = "y"\x00'}]})
    assert text == 'a = 1  # x name = "y"\n'
