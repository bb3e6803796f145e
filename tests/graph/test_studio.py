"""LangGraph's own server drives the search over HTTP, as Studio does."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    """`langgraph dev` on loopback, with the project's langgraph.json."""
    pytest.importorskip("langgraph_api", reason="needs the extra: pip install 'llm-nas[studio]'")
    home = tmp_path_factory.mktemp("studio")
    (home / "graph").symlink_to(ROOT / "graph")
    (home / ".env").touch()
    shutil.copy(ROOT / "langgraph.json", home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("langgraph"))
    command = [program, "dev", "--no-browser", "--no-reload", f"--port={port}"]
    environment = os.environ | {"LANGSMITH_TRACING": "false", "XDG_DATA_HOME": str(home)}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120.0) as client:
            _await(client, process, home / "log")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def _await(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(180):
        if process.poll() is not None:
            break
        try:
            if client.get("/ok").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-2000:])


def call(client: httpx.Client, method: str, path: str, **body: Any) -> Any:
    answer = client.request(method, path, json=body if method == "POST" else None)
    assert answer.is_success, answer.text
    return answer.json()


def stream(client: httpx.Client, thread: str, **body: Any) -> Iterator[tuple[str, Any]]:
    """(event, data) of a run."""
    body = {"assistant_id": "llm-nas", **body}
    with client.stream("POST", f"/threads/{thread}/runs/stream", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        event = ""
        for line in answer.iter_lines():
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                yield event, json.loads(line[5:])


@pytest.fixture
def fields(world: dict[str, str], tmp_path: Path) -> dict[str, Any]:
    return {**world, "trainings": 12, "opening": 8, "batch": 4, "out": str(tmp_path / "run")}


def new_thread(client: httpx.Client) -> str:
    return str(call(client, "POST", "/threads")["thread_id"])


def test_schemas_describe_a_form(server: httpx.Client) -> None:
    (assistant,) = call(server, "POST", "/assistants/search")
    assert assistant["graph_id"] == "llm-nas"
    schemas = call(server, "GET", f"/assistants/{assistant['assistant_id']}/schemas")
    form = schemas["input_schema"]["properties"]
    assert all(field.get("description") and "default" in field for field in form.values())
    assert form["trainings"] | {"title": ""} == {
        "default": 60,
        "description": "How many networks may be trained.",
        "maximum": 100_000,
        "minimum": 1,
        "title": "",
        "type": "integer",
    }
    assert form["accuracy"]["enum"] == ["trained", "predicted"]
    assert set(schemas["output_schema"]["properties"]) >= {"run_dir", "front", "hv", "trainings"}
    assert set(schemas["context_schema"]["properties"]) == {"picture", "keep"}


def test_a_search_streams_what_each_step_did(server: httpx.Client, fields: dict[str, Any]) -> None:
    thread = new_thread(server)
    body = {"input": fields, "stream_mode": ["updates", "custom"], "stream_subgraphs": True}
    told = list(stream(server, thread, **body))
    assert not [data for event, data in told if event == "error"]
    steps = {
        step: update
        for event, data in told
        if event.startswith("updates")
        for step, update in data.items()
    }
    expected = "open plan recall analyst designer validator time train archive record niche learn"
    assert {*expected.split(), "report"} <= set(steps)
    assert [step for step, update in steps.items() if not update] == []
    (trained,) = [steps_of["train"] for steps_of in steps["train"]["did"].values()]
    assert trained[0]["event"] == "measurement"
    assert {"arch", "accuracy_pct", "latency_ms"} <= set(trained[0])
    progress = [data for event, data in told if event.startswith("custom")]
    assert sum("trained" in p and "answer" in p for p in progress) == 12
    state = call(server, "GET", f"/threads/{thread}/state")
    assert state["next"] == []
    assert state["values"]["trainings"] == 12
    assert state["values"]["front"]
    assert "did" not in state["values"]
    assert Path(state["values"]["run_dir"], "result.json").is_file()


def test_interrupt_resume_history_and_a_refused_fork(
    server: httpx.Client, fields: dict[str, Any]
) -> None:
    thread = new_thread(server)
    body = {"stream_mode": ["updates"], "interrupt_before": ["plan"]}
    list(stream(server, thread, input=fields, **body))
    state = call(server, "GET", f"/threads/{thread}/state")
    assert state["next"] == ["plan"]
    list(stream(server, thread, input=None, **body))
    assert call(server, "GET", f"/threads/{thread}/state")["values"]["generation"] == 1
    list(stream(server, thread, input=None, stream_mode=["updates"]))
    assert call(server, "GET", f"/threads/{thread}/state")["values"]["trainings"] == 12
    history = call(server, "POST", f"/threads/{thread}/history", limit=100)
    early = next(s for s in history if s["next"] == ["plan"] and s["values"]["generation"] == 1)
    forked = call(
        server,
        "POST",
        f"/threads/{thread}/state",
        values={"generation": 1},
        checkpoint_id=early["checkpoint"]["checkpoint_id"],
    )
    told = list(
        stream(server, thread, input=None, checkpoint=forked["checkpoint"], stream_mode="updates")
    )
    (refused,) = [data for event, data in told if event == "error"]
    assert refused["error"] == "RunStopped"
    assert "use: llm-nas fork" in refused["message"]
    assert "\n" not in refused["message"]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"trainings": 0}, "trainings 0: input should be greater than or equal to 1"),
        ({"device": "toaster"}, "unknown 'toaster'"),
    ],
)
def test_a_wrong_request_is_one_line(
    server: httpx.Client, fields: dict[str, Any], wrong: dict[str, Any], line: str
) -> None:
    told = list(stream(server, new_thread(server), input=fields | wrong, stream_mode="updates"))
    (refused,) = [data for event, data in told if event == "error"]
    assert refused["error"] == "RequestError"
    assert line in refused["message"]
    assert "\n" not in refused["message"]
    assert not Path(fields["out"]).exists()
