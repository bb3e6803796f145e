"""Sixty wrong requests: one line on stderr each, exit code 2, nothing on stdout, nothing left."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from llm_nas.cli import run
from llm_nas.domain import FrontPoint, SearchReport, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph.search import search

SPACE = "from llm_nas import Choice, Space\nspace = Space('m', [Choice('a', (1, 2, 3))])\n"

WRONG = """
search --space nb2O1 | nb2O1
search --space missing.toml | missing.toml
search --space missing.py --task t.csv --device d=t.csv | missing.py
search --space empty.py --task t.csv --device d=t.csv | no variable 'space'
search --space broken.py --task t.csv --device d=t.csv | ZeroDivisionError
search --space three.py --task t.csv --device d=t.csv | no space
search --space mine.py:other --task t.csv --device d=t.csv | no variable 'other'
search --space mine.py | --task
search --space mine.py --task t.csv | --device
search --space wrong.toml --device host | wrong.toml
search --space nb201 --task mnist | mnist
search --space nb201 --task imagenet | imagenet
search --space nb201 --task missing.csv | missing.csv
search --space nb201 --task wrong.csv | wrong.csv
search --space nb201 --device toaster | edgegpu
search --space nb201 --device mine=missing.csv | missing.csv
search --space nb201 --device mine=wrong.csv | wrong.csv
search --space nb201 --device edgegpu=t.csv | edgegpu
search --space nb201 --device a/b=t.csv | a/b
search --space anb --device raspi4 | raspi4
search --space hwgpt-s --task cifar10 | cifar10
search --task missing.npz | missing.npz
search --task nowhere/ | nowhere
search --task vacant | vacant
search --device mine=cmd: | cmd
search --device mine=ssh:// | ssh
search --trainings 0 | --trainings
search --trainings many | --trainings
search --trainings -5 | --trainings
search --trainings 1000000 | --trainings
search --hours 0 | --hours
search --opening 0 | --opening
search --batch 0 | --batch
search --seed -1 | --seed
search --seed 4294967296 | --seed
search --model gpt | gpt
search --model manual: | manual
search --model openai:x --base-url nonsense | nonsense
search --open sesame | --open
search --space nb201 --open model | --open
search --model-share 2 | --model-share
search --accuracy guessed | --accuracy
search --space nb201 --accuracy predicted --labels 3 | --labels
search --max-latency-ms 0 | --max-latency-ms
search --max-latency-ms soon | --max-latency-ms
search --max-params-m -1 | --max-params-m
search --precision int4 | --precision
search --epochs 0 | --epochs
search --workers 0 | --workers
search --engine cloud | --engine
search --space nb201 --partition thirds | thirds
search --space nb201 --store /proc/nowhere | /proc/nowhere
search --space nb201 --out t.csv | t.csv
search --space nb201 --data-dir nowhere | nowhere
search --resume no-such-run | no-such-run
search --space nb201 --max-usd 1 | offline
search --space nb201 --designer nobody | nobody
search --frobnicate | --frobnicate
search extra words | extra
frobnicate | frobnicate
compare --methods guess | guess
compare --methods , | --methods
compare --contexts nb201/cifar10/toaster --methods random | toaster
compare --contexts , | --contexts
compare --trainings 20000 | --trainings
compare --seeds 0 | --seeds
compare --first-seed 4294967295 --seeds 2 | --first-seed
compare --jobs 0 | --jobs
ablate --without everything | everything
report nowhere | nowhere
trace nowhere | nowhere
fork nowhere --generation 1 | nowhere
finish nowhere | nowhere
runs show nowhere | nowhere
device check toaster | toaster
device time missing.onnx | missing.onnx
proxies nonsense --space nb201 | nonsense
predictor validate --task mnist | mnist
heuristics show 00000000 --store absent | absent
heuristics ask fast --device toaster --store absent | absent
heuristics audit --context nb201 --store absent | nb201
config show frobnicate | frobnicate
data fetch --base-url ftp://x --into . | ftp
"""
CASES = [tuple(line.split(" | ")) for line in WRONG.strip().splitlines()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LLM_NAS_DATA", raising=False)
    for name in ("OPENAI_API_KEY", "LLM_NAS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    Path("mine.py").write_text(SPACE)
    Path("empty.py").write_text("x = 1\n")
    Path("three.py").write_text("space = 3\n")
    Path("broken.py").write_text("space = 1 / 0\n")
    Path("wrong.toml").write_text("name = 'wrong'\n[[stages]]\nwidht = 3\n")
    Path("t.csv").write_text("arch,accuracy_pct,latency_ms\na=1,90,1\na=2,91,2\n")
    Path("wrong.csv").write_text("network,speed\nx,1\n")
    Path("vacant").mkdir()
    return folder


def contents(folder: Path) -> set[str]:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in found if "__pycache__" not in name and name != "runs"}


@pytest.mark.parametrize(("line", "word"), CASES, ids=[case[0] for case in CASES])
def test_a_wrong_request_is_one_line_and_exit_code_2(
    line: str, word: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(here)
    assert run(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("llm-nas: ")
    assert said.err.count("\n") == 1, said.err
    assert word in said.err
    assert contents(here) == before


def test_there_are_sixty_of_them() -> None:
    assert len(CASES) >= 60


@pytest.mark.usefixtures("here")
def test_a_wrong_request_in_python_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        search(SearchRequest(space="nb201", task="mnist", out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_networks_stay_on_their_line_when_piped(here: Path) -> None:
    command = "search --space nb201 --trainings 8 --opening 8 --out run --store store".split()
    environment = os.environ | {"COLUMNS": "40"}
    done = subprocess.run(
        [sys.executable, "-m", "llm_nas", *command],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    front = json.loads((here / "run" / "result.json").read_text())["front"]
    lines = done.stdout.splitlines()
    assert all(any(line.endswith(point["arch"]) for line in lines) for point in front)
    assert "\x1b[" not in done.stdout + done.stderr


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"llm-nas {project['project']['version']}\n"


def test_two_scales_of_accuracy_are_told_apart_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a search saw and what was opened afterwards are never one column or one name."""
    from llm_nas.cli.result import show

    point = FrontPoint(
        metric="accuracy_pct", arch="a=1", niche="all", value=89.5, test_value=92.1, latency_ms=1.0
    )
    assert point.model_dump()["accuracy_pct"] == 89.5
    assert point.model_dump()["test_accuracy_pct"] == 92.1
    report = SearchReport(
        protocol=2,
        run="r",
        request=SearchRequest(),
        space="m",
        task="t",
        device="d",
        metric="accuracy_pct",
        data_source="",
        seed=0,
        model="offline",
        trainings=1,
        front=(point,),
        hv=0.9,
        out=tmp_path,
    )
    show(report)
    shown = capsys.readouterr().out
    heading = shown.splitlines()[1]
    assert heading.index("valid") < heading.index("test")
    assert shown.count("valid: what the search saw") == 1
    assert "test: looked at afterwards" in shown
    assert "predicted" not in shown
