"""`llm-nas heuristics`, from a store that a run left."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_nas.cli import run
from llm_nas.domain import ContextName, Measurement
from llm_nas.errors import LlmNasError
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.devices import open_device
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Thirty networks of `anb`, labelled by the shipped truth model."""
    import numpy as np

    space = open_space("anb")
    task, device = open_task("imagenet", space), open_device("a100", space, "imagenet")
    rng = np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(30)]
    rows = [
        Measurement(
            arch=arch,
            niche="S0",
            generation=0,
            value=getattr(task.train(arch, 1.0, 0), "value"),  # noqa: B009
            latency_ms=(ms := getattr(device.measure([arch])[0], "median_ms")),  # noqa: B009
            latency_low_ms=ms,
            latency_high_ms=ms,
        )
        for arch in archs
    ]
    path = tmp_path_factory.mktemp("store")
    here = ContextName(space="anb", task="imagenet", device="a100")
    with HeuristicStore.open(path, space=space, device=device) as store:
        store.learn(Lesson("run", 0, 0, here, (), tuple(rows), recipe="proxified"))
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(["heuristics", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_command_answers_in_json(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = told(capsys, "list", "--store", folder)
    key = listed[0]["id"]
    shown = told(capsys, "show", key[:8], "--store", folder)
    assert shown["statement"] == listed[0]["statement"]
    assert told(capsys, "history", key, "--store", folder)
    answer = told(capsys, "ask", "what lowers latency?", "--device", "zcu102", "--store", folder)
    assert set(answer) == {"understood", "architectures", "claims", "notes"}
    assert all("(zcu102)" in claim["statement"] for claim in answer["claims"])
    best = told(capsys, "ask", "best network under 0.2 ms", "--store", folder)
    story = told(capsys, "explain", best["architectures"][0]["arch"], "--store", folder)
    assert story["trained"][0]["recipe"] == "proxified"
    book = str(tmp_path / "book.json")
    assert told(capsys, "export", book, "--store", folder)
    new = str(tmp_path / "new")
    report = told(capsys, "import", book, "--store", new, "--space", "anb")
    assert report["added"]
    assert told(capsys, "merge", folder, "--store", new) == {"lessons": 1}
    assert isinstance(told(capsys, "rebuild", "--store", new), dict)


def test_wrong_requests_are_one_line(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, part in (
        (("ask", "what lowers latency?", "--device", "jetson"), "jetson"),
        (("ask", "what?", "--goal", "speed"), "--goal"),
        (("list", "--status", "sure"), "--status"),
        (("show", "zzz"), "no claim"),
        (("audit", "--context", "anb"), "SPACE/TASK/DEVICE"),
    ):
        assert run(["heuristics", *arguments, "--store", folder]) == LlmNasError.exit_code + 1
        error = capsys.readouterr().err
        assert part in error
        assert error.count("\n") == 1
