"""The shell as users and scripts see it: exit codes, one-line errors, JSON alone on stdout."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from llm_nas.__main__ import main
from llm_nas.cli import run
from llm_nas.cli.output import say


@pytest.fixture(autouse=True)
def _embedded_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLM_NAS_DATA", raising=False)


def search(tmp_path: Path, *more: str) -> int:
    out = ["--out", str(tmp_path / "run"), "--store", str(tmp_path / "store")]
    return run(["search", "--device", "fpga", "--budget", "24", "--generations", "2", *out, *more])


def test_json_is_the_only_thing_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((tmp_path / "run" / "result.json").read_text())
    assert run(["search", "--resume", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result


def test_people_get_a_table_a_story_and_heuristics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path) == 0
    shown = capsys.readouterr().out
    assert "surrogate tables" in shown
    assert "offline agents (no language model)" in shown
    assert run(["trace", str(tmp_path / "run"), "--niche", "S2"]) == 0
    assert "generation 0, S2" in capsys.readouterr().out
    cell = json.loads((tmp_path / "run" / "result.json").read_text())["front"][0]["arch"]
    assert run(["trace", str(tmp_path / "run"), "--cell", cell]) == 0
    story = capsys.readouterr().out
    assert "validator" in story
    assert "predicted" in story
    store = str(tmp_path / "store")
    assert run(["heuristics", "list", "--store", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    ask = ["heuristics", "ask", "faster cells", "--device", "fpga", "--store", store, "--json"]
    assert run(ask) == 0
    assert json.loads(capsys.readouterr().out)


def test_a_run_stopped_at_a_cap_goes_on_with_a_higher_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--model", "control:nonsense", "--generations", "4", "--labels", "100"]
    assert search(tmp_path, *more, "--max-calls", "1") != 0
    told = capsys.readouterr().err
    assert "analyst, control:nonsense: 24 calls" in told
    assert "designer, control:nonsense: 24 calls" in told
    assert "--max-calls 1 reached; go on with: llm-nas search --resume" in told
    again = ["search", "--resume", str(tmp_path / "run"), "--max-calls", "90", "--json"]
    assert run(again) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["calls"] > 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "mnist"], ["mnist", "cifar10"]),
        (["--device", "toaster"], ["toaster", "edgegpu"]),
        (["--budget", "0"], ["--budget", "0"]),
        (["--budget", "many"], ["--budget", "many"]),
        (["--generations", "-1"], ["--generations", "-1"]),
        (["--labels", "3"], ["--labels", "3"]),
        (["--store", "/proc/nowhere"], ["/proc/nowhere"]),
        (["--resume", "no-such-run"], ["no-such-run"]),
        (["--frobnicate"], ["--frobnicate"]),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_2(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["search", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert all(word in shown.err for word in words)
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("arch,ms\n", "latency_ms"),
        ("arch,latency_ms\nx,1.0\n", "line 2"),
        ("", "arch"),
    ],
)
def test_a_bad_device_table_is_one_line(
    body: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(body)
    assert run(["search", "--device", f"mine={table}", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert words in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [[], ["heuristics"]])
def test_a_command_without_words_shows_its_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Usage: ")
    assert "\nCommands:\n" in error


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    line = "failed (401: Bearer [key]) in [bold]runs[/bold]/" + "x" * 200
    say(line)
    assert capsys.readouterr().out == line + "\n"


def test_a_refused_comparison_draws_no_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "--methods", "guess", "--out", str(tmp_path / "cmp")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("llm-nas: --methods: unknown 'guess'")
    assert not (tmp_path / "cmp").exists()


def test_ctrl_c_while_the_shell_is_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Importing(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "llm_nas.cli", Importing("llm_nas.cli"))
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == "llm-nas: interrupted\n"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llm_nas", "search", "--device", "abacus"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("llm-nas: ")
    assert done.stderr.count("\n") == 1
