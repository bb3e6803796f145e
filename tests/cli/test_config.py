"""Settings: precedence, origins, refusals; what the doctor finds."""

import json
from pathlib import Path

import pytest

from llm_nas.cli import run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    assert run(["config", "show", "--json"]) == 0
    found: dict[str, dict[str, str]] = json.loads(capsys.readouterr().out)["values"]["search"]
    return found


def test_each_value_tells_its_origin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("llm-nas.toml").write_text("[search]\ntrainings = 24\nmax_latency_ms = 5.5\nblind=true\n")
    monkeypatch.setenv("LLM_NAS_SEARCH_TRAININGS", "30")
    values = shown(capsys)
    assert values["trainings"] == {
        "value": "30",
        "origin": "environment",
        "where": "LLM_NAS_SEARCH_TRAININGS",
    }
    assert values["max-latency-ms"]["origin"] == values["blind"]["origin"] == "file"
    assert values["seed"] == {"value": 0, "origin": "default", "where": ""}


def test_the_users_own_file_counts_where_the_folder_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "xdg_config_home" / "llm-nas" / "llm-nas.toml"
    home.parent.mkdir(parents=True)
    home.write_text("[search]\nseed = 7\n")
    assert shown(capsys)["seed"]["value"] == "7"
    Path("llm-nas.toml").write_text("[search]\nbatch = 3\n")
    assert shown(capsys)["seed"]["origin"] == "default"


def test_a_flag_beats_the_environment_and_that_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("llm-nas.toml").write_text('[search]\nspace = "from-file"\n')
    assert run(["search"]) == 2
    assert "from-file" in capsys.readouterr().err
    monkeypatch.setenv("LLM_NAS_SEARCH_SPACE", "from-environment")
    assert run(["search"]) == 2
    assert "from-environment" in capsys.readouterr().err
    assert run(["search", "--space", "from-flag"]) == 2
    assert "from-flag" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[search]\ntrainins = 3\n", "search.trainins: no such option; did you mean trainings?"),
        ("[serch]\ntrainings = 3\n", "serch: no such command; did you mean search?"),
        ("[search]\ntrainings = [3]\n", "search.trainings: expected one value"),
        ("[search\n", "llm-nas.toml: "),
        ("[search]\ntrainings = 0\n", "llm-nas.toml: trainings 0"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(
    body: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("llm-nas.toml").write_text(body)
    assert run(["search"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert run(["search", "--help"]) == 0


def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_NAS_SEARCH_TRAININGS", "many")
    assert run(["search"]) == 2
    assert capsys.readouterr().err.startswith("llm-nas: LLM_NAS_SEARCH_TRAININGS: ")


def test_the_doctor_names_a_remedy_for_what_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LLM_NAS_DATA", raising=False)
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    monkeypatch.setenv("LLM_NAS_DATA", "nowhere")
    Path("llm-nas.toml").write_text("[nobody]\n")
    assert run(["doctor", "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    failed = {c["check"]: c["remedy"] for c in checks if c["state"] == "fail"}
    assert set(failed) == {"settings", "published tables"}
    assert all(failed.values())
