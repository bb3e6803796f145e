"""The trace as published: every event of real runs fits the schema; readable and small."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_nas.agents.chat.talk import words_of
from llm_nas.cli import run as shell
from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.record.trace_schema import EVENTS, json_schema, problems
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import search
from llm_nas.graph.steps.steer import wish
from tests.graph.conftest import RequestMaker

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "trace.schema.json"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory, world: dict[str, str]) -> Path:
    """A run with a model that answers nonsense, and with a person's wishes."""
    out = tmp_path_factory.mktemp("trace") / "run"
    fields = {"trainings": 36, "opening": 8, "batch": 4, "model": "control:nonsense", "out": out}

    def progress(told: Mapping[str, Any]) -> None:
        if told.get("generation") == 1:
            wish(out, {"kind": "limit", "limit": "hours", "value": 1})
            wish(out, {"kind": "next", "arch": "nothing"})

    request = SearchRequest.model_validate({**world, **fields})
    search(request, Inputs(picture=False, progress=progress))
    return out


def test_every_event_is_as_published(talkative: Path) -> None:
    events = read_trace(talkative)
    assert list(problems(events)) == []
    kinds = {(e.role, e.event) for e in events}
    assert {("designer", "call"), ("knowledge", "claim"), ("steer", "refused")} <= kinds
    assert kinds < set(EVENTS)


def test_the_published_schema_is_the_one_of_the_code() -> None:
    """Made anew by:

    python -m llm_nas.graph.record.trace_schema > docs/reference/trace.schema.json
    """
    assert json.loads(SCHEMA.read_text()) == json_schema()


def test_lines_of_the_file_fit_the_published_schema(talkative: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    lines = [json.loads(line) for line in (talkative / "trace.jsonl").read_text().splitlines()]
    assert len(lines) > 100
    assert [e for line in lines[::7] for e in check.iter_errors(line)] == []
    assert not check.is_valid(lines[0] | {"role": "nobody"})


def test_plans_say_why_and_what_they_expect_and_niches_come_in_order(talkative: Path) -> None:
    """Fault: nobody could tell from a trace why a niche got its slots, or what was hoped for."""
    events = read_trace(talkative)
    niches = [n["id"] for n in events[0].data["niches"]]
    for generation in range(8):
        here = [e for e in events if e.generation == generation]
        order = [e.niche for e in here if e.event == "done"]
        assert order == [*[n for n in niches if n in order], "run"]
        (plan,) = [e for e in here if (e.role, e.event) == ("plan", "slots")]
        assert all(why["reason"] and why["niche"] in niches for why in plan.data["why"])
        if generation:
            assert any(why["gain"] is not None for why in plan.data["why"])
        steps = [e.data["seconds"] for e in here if e.event == "steps"]
        assert all({"recall", "designer", "train"} <= set(seconds) for seconds in steps)
    expected = [e.data["gain"] for e in events if e.event == "measurement"]
    assert any(gain is not None for gain in expected)


def test_words_of_models_are_kept_once_and_found_by_hash(talkative: Path) -> None:
    calls = [e.data["request"] for e in read_trace(talkative) if e.event == "call"]
    said = words_of(talkative / "talk.jsonl", calls[0])
    assert [role for role, _ in said][-1] == "answer"
    assert any(role == "system" and len(words) > 100 for role, words in said)
    lines = [json.loads(line) for line in (talkative / "talk.jsonl").read_text().splitlines()]
    texts = [line["text"] for line in lines if "text" in line]
    assert len(texts) == len(set(texts))
    assert said[0][1] not in (talkative / "trace.jsonl").read_text()
    with pytest.raises(RequestError, match="no words"):
        words_of(talkative / "talk.jsonl", "0" * 16)


def test_a_story_is_readable_at_80_columns_and_networks_can_be_copied(
    talkative: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell(["trace", str(talkative)]) == 0
    told = capsys.readouterr().out
    events = read_trace(talkative)
    archs = {e.data["arch"] for e in events if e.event == "measurement"}
    long = [line for line in told.splitlines() if len(line) > 80]
    assert [line for line in long if "/" not in line] == []  # folders are kept whole
    assert [arch for arch in archs if arch not in told] == []
    arch = sorted(archs)[0]
    assert shell(["trace", str(talkative), "--arch", arch]) == 0
    assert "accepted" in capsys.readouterr().out
    assert shell(["trace", str(talkative), "--niche", "S99"]) == 2


def test_following_ends_with_the_run(request_of: RequestMaker) -> None:
    request = request_of("followed")
    assert request.out is not None
    found: list[subprocess.Popen[str]] = []

    def progress(told: Mapping[str, Any]) -> None:
        if told.get("generation") == 1:
            command = [sys.executable, "-m", "llm_nas", "trace", str(request.out), "--follow"]
            found.append(subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True))
            assert found[0].stdout is not None
            assert found[0].stdout.readline()  # it reads on while the run goes on

    search(request, Inputs(picture=False, progress=progress))
    with found[0] as follower:
        assert follower.stdout is not None
        rest = follower.stdout.read()  # what readline had read ahead is in this buffer
    measured = [json.loads(line) for line in rest.splitlines() if '"measurement"' in line]
    assert len(measured) == 24


def test_a_trace_of_120_trainings_is_small(talkative: Path) -> None:
    """36 trainings stand for 120: events grow with trainings and generations alone."""
    assert (talkative / "trace.jsonl").stat().st_size * 120 / 36 < 3_000_000
