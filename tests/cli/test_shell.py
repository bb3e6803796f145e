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
from tests.tiny import write_world


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and stores of a test stay in its own folder; nothing but the pack is known."""
    monkeypatch.delenv("LLM_NAS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def search(*more: str) -> int:
    """A search in the tiny world, in run/ and store/."""
    named = [f"--{name}={value}" for name, value in write_world(Path()).items()]
    sizes = ["--trainings=16", "--opening=8", "--batch=4", "--out=run", "--store=store"]
    return run(["search", *named, *sizes, *more])


def test_json_is_the_only_thing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert search("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads(Path("run/result.json").read_text())
    assert run(["search", "--resume", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result


def test_people_get_a_front_a_story_and_claims(capsys: pytest.CaptureFixture[str]) -> None:
    assert search() == 0
    shown = capsys.readouterr().out
    assert "tiny/acc on board: front" in shown
    assert "the search stays inside the 288 architectures" in shown
    arch = json.loads(Path("run/result.json").read_text())["front"][0]["arch"]
    assert any(line.endswith(arch) for line in shown.splitlines())
    assert run(["trace", "run", "--arch", arch]) == 0
    story = capsys.readouterr().out
    assert "validator: accepted" in story
    assert "train: accuracy_pct" in story
    assert run(["runs", "list", "--in", ".", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["state"] == "finished"
    assert run(["heuristics", "list", "--store", "store", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_a_second_run_starts_from_the_trainings_of_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert search("--json") == 0
    capsys.readouterr()
    assert search("--json", "--out=again", "--seed=1") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["reused_trainings"] == 16
    assert result["trainings"] == 16
    assert "0" in result["hv_at"]


def test_a_run_stopped_at_a_cap_goes_on_with_a_higher_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert search("--model=control:nonsense", "--max-calls=2") == 3
    told = capsys.readouterr().err
    assert "--max-calls 2 reached; go on with: llm-nas search --resume" in told
    assert run(["search", "--resume", "run", "--max-calls", "900", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["calls"] > 2


@pytest.mark.parametrize(
    ("body", "words"),
    [("arch,ms\n", "latency_ms"), ("arch,latency_ms\nx,1.0\n", "line 2"), ("", "arch")],
)
def test_a_bad_device_table_is_one_line(
    body: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.csv").write_text(body)
    assert search("--device=mine=mine.csv") == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert words in error
    assert not Path("run").exists()


@pytest.mark.parametrize("arguments", [[], ["heuristics"]])
def test_a_command_without_words_shows_its_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert "Usage: " in error
    assert "\nCommands:\n" in error


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    line = "failed (401: Bearer [key]) in [bold]runs[/bold]/" + "x" * 200
    say(line)
    assert capsys.readouterr().out == line + "\n"


def test_a_refused_comparison_draws_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "--methods", "guess", "--out", "cmp"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "guess" in said[0]
    assert not Path("cmp").exists()


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


def test_a_store_may_hold_networks_that_the_space_no_longer_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One name may stand for fewer members elsewhere: `mobile` on small images, an edited file."""
    assert search("--json") == 0
    capsys.readouterr()
    smaller = Path("tiny.py").read_text().replace("(8, 16, 24, 32)", "(8, 16)")
    tables = {
        name: [line for line in Path(name).read_text().splitlines() if "width=24" not in line]
        for name in ("acc.csv", "lat.csv")
    }
    Path("small").mkdir()
    Path("small/tiny.py").write_text(smaller)
    for name, lines in tables.items():
        kept = [line for line in lines if "width=32" not in line]
        Path("small", name).write_text("\n".join(kept) + "\n")
    named = ["--space=small/tiny.py", "--task=small/acc.csv", "--device=board=small/lat.csv"]
    sizes = ["--trainings=16", "--opening=8", "--batch=4", "--out=fewer", "--store=store"]
    assert run(["search", *named, *sizes, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trainings"] == 16
    assert run(["heuristics", "list", "--store", "store", "--json"]) == 0
