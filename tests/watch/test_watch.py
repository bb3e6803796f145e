"""The live page: who may see it, what it shows, and that its buttons steer a real run."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from llm_nas.domain import SearchRequest
from llm_nas.errors import RunStopped
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search
from llm_nas.graph.steps.steer import wishes
from tests.tiny import write_world
from tests.watch.browser import Page, chromium

WANTED = "depth=2 kernel=5 width=24 se=1 pool=none"


@contextmanager
def watching(run: Path) -> Generator[str]:
    """`llm-nas watch` in a process of its own; the address it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_nas", "watch", str(run)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("watch: http://127.0.0.1:"), line
        address = line.split()[1]
        _await(address)
        yield address
    finally:
        process.kill()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def _await(address: str) -> None:
    for _ in range(100):
        try:
            httpx.get(address, timeout=10)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server never answered")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run that is over."""
    home = tmp_path_factory.mktemp("watched")
    request = request_in(home, "done", trainings=12)
    search(request, Inputs(picture=False, keep=False))
    assert request.out is not None
    return request.out


def request_in(home: Path, name: str, **fields: Any) -> SearchRequest:
    world = write_world(home)
    sizes = {"opening": 8, "batch": 4, "trainings": 40, "out": home / name}
    return SearchRequest.model_validate({**world, **sizes, **fields})


def page_token(client: httpx.Client, address: str) -> dict[str, str]:
    """What the page itself sends beside its cookie."""
    text = client.get(address).text
    token = text.split('name="wish" content="')[1].split('"')[0]
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    return {"X-LLM-NAS-Wish": token, "Origin": origin, "Content-Type": "application/json"}


def test_nobody_gets_in_without_the_token(finished: Path) -> None:
    with watching(finished) as address:
        base = address.split("/?")[0]
        for path in ("/", "/page.js", "/api/runs", "/api/run/done", "/?token=wrong"):
            answer = httpx.get(base + path)
            assert answer.status_code == 403, path
            assert "llm-nas watch printed" in answer.text
        with httpx.Client(follow_redirects=True) as client:
            page = client.get(address)
            assert page.status_code == 200
            policy = page.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'")
            assert "frame-ancestors 'none'" in policy
            assert "token" not in str(page.url)
            seen = client.get(f"{base}/api/run/done").json()
            assert len(seen["networks"]) == 12
            assert seen["state"] == "finished"
            lines = client.get(
                f"{base}/api/story/done", params={"arch": seen["networks"][0]["arch"]}
            ).json()
            assert any("proposes" in line for line in lines)
            rebound = client.get(f"{base}/api/runs", headers={"Host": "evil.example"})
            assert rebound.status_code == 421
            assert client.get(f"{base}/api/run/..").status_code == 404
            assert client.get(f"{base}/api/run/%2e%2e%2fdone").status_code in (400, 404)
            assert client.get(f"{base}/reading.py").status_code == 404


@pytest.mark.parametrize("missing", ["X-LLM-NAS-Wish", "Origin", "Content-Type", "cookie"])
def test_a_wish_needs_cookie_header_origin_and_json(finished: Path, missing: str) -> None:
    with watching(finished) as address, httpx.Client(follow_redirects=True) as client:
        wish = address.split("/?")[0] + "/api/wish/done"
        headers = page_token(client, address)
        body = json.dumps({"kind": "stop"})
        before = len(wishes(finished))
        assert client.post(wish, content=body, headers=headers).status_code == 200
        assert len(wishes(finished)) == before + 1
        if missing == "cookie":
            client.cookies.clear()
        headers.pop(missing, None)
        assert client.post(wish, content=body, headers=headers).status_code == 403
        evil = headers | {"Origin": "http://evil.example"}
        assert client.post(wish, content=body, headers=evil).status_code == 403
        assert len(wishes(finished)) == before + 1


def test_a_wrong_wish_is_one_line(finished: Path) -> None:
    with watching(finished) as address, httpx.Client(follow_redirects=True) as client:
        wish = address.split("/?")[0] + "/api/wish/done"
        headers = page_token(client, address)
        for body in (b"{", b'{"kind": "explode"}', b"[]"):
            answer = client.post(wish, content=body, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["error"].startswith("wish: ")
        assert client.post(wish, content=b"x" * 30_000, headers=headers).status_code == 403


class _Hostile(BaseHTTPRequestHandler):
    """A page on another port that tries to stop the run."""

    target = ""

    def do_GET(self) -> None:
        script = f"""<script>
        const body = JSON.stringify({{kind: "stop"}});
        const tries = [
          fetch("{self.target}", {{method: "POST", body, credentials: "include"}}),
          fetch("{self.target}", {{method: "POST", body, credentials: "include", mode: "no-cors",
            headers: {{"Content-Type": "text/plain"}}}}),
          fetch("{self.target}", {{method: "POST", body, credentials: "include",
            headers: {{"Content-Type": "application/json", "X-LLM-NAS-Wish": "guess"}}}}),
          fetch("{self.target}".replace("wish", "run"), {{credentials: "include"}})
            .then((r) => r.text()).then((text) => {{ window.read = text; }}),
        ];
        Promise.allSettled(tries).then(() => {{ window.done = true; }});
        </script><form method="post" enctype="text/plain" action="{self.target}">
        <input name='{{"kind":"stop","x":"' value='"}}'></form>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(script.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def hostile(target: str) -> Generator[str]:
    handler = type("Hostile", (_Hostile,), {"target": target})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def searching(
    request: SearchRequest, seen: Callable[[], bool], go: Callable[[], bool]
) -> Generator[list[BaseException]]:
    """A real run in the background that waits to be seen, and after a while to be sent on."""

    def progress(told: Mapping[str, Any]) -> None:
        while "training" in told and not seen():
            time.sleep(0.05)
        if "training" in told and go():
            time.sleep(1.0)  # slow enough to be stopped
        while told.get("generation", 0) >= 3 and not go():
            time.sleep(0.05)

    ended: list[BaseException] = []

    def work() -> None:
        try:
            search(request, Inputs(picture=False, keep=False, progress=progress))
        except RunStopped as stopped:
            ended.append(stopped)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield ended
    finally:
        thread.join(120)


@pytest.mark.slow
def test_a_person_watches_and_steers_a_run_in_a_browser(tmp_path: Path) -> None:
    request = request_in(tmp_path, "live")
    run = tmp_path / "live"
    other = search(request_in(tmp_path, "other", trainings=12), Inputs(picture=False, keep=False))
    seen, done = threading.Event(), threading.Event()
    with (
        searching(request, seen.is_set, done.is_set) as ended,
        chromium(tmp_path / "chromium") as page,
    ):
        try:
            while not (run / "now.json").exists():
                time.sleep(0.05)
            with watching(run) as address:
                page.open(address)
                page.until("document.querySelector('#doing li')")
                assert page.text("#doing li").startswith("training depth=")
                assert page.text("#state") == "running"
                assert page.text("#front") == "nothing is trained yet"
                seen.set()
                page.until("document.querySelectorAll('#front circle').length >= 8")
                page.click("#front circle")
                page.until("document.querySelector('#story').textContent.includes('proposes')")
                _refuses_a_wrong_wish(page)
                _wishes(page)
                _another_run_beside(page, other.out.name)
                _a_hostile_page_changes_nothing(page, address, run)
            with watching(run) as address:  # killed and started again
                page.open(address)
                page.until("document.querySelector('#waiting li')")
                done.set()
                page.until("document.querySelector('#log').textContent.includes('person')")
                page.click("#stop")
                page.until("document.querySelector('#state').textContent === 'stopped'")
        finally:
            seen.set()
            done.set()
    assert "stopped by a person; go on with" in str(ended[0])
    report = resume(run, Inputs(picture=False, keep=False))
    measured = {e.data["arch"]: e for e in read_trace(run) if e.event == "measurement"}
    assert measured[WANTED].data["origin"] == "person"
    assert report.request.max_latency_ms == 2.5
    assert report.request.ban


def _another_run_beside(page: Page, name: str) -> None:
    page.click("details summary")
    page.click("#others input")
    page.until("document.querySelector('#front .other')")
    assert page.text("#front .other title") == name


def _refuses_a_wrong_wish(page: Page) -> None:
    page.run("document.querySelector('#value').value = '-3'")
    page.click("#set")
    page.until("document.querySelector('#said').textContent.includes('greater than 0')")


def _wishes(page: Page) -> None:
    page.run("document.querySelector('#value').value = '2.5'")
    page.click("#set")
    page.until("document.querySelector('#said').textContent === 'asked: limit'")
    page.run(f"document.querySelector('#arch').value = {json.dumps(WANTED)}")
    page.click("#next")
    page.until("document.querySelector('#said').textContent === 'asked: next'")
    page.until("document.querySelector('#claims button')")
    page.click("#claims button")
    page.until("document.querySelector('#said').textContent === 'asked: ban'")
    page.until("document.querySelectorAll('#waiting li').length === 3")


def _a_hostile_page_changes_nothing(page: Page, address: str, run: Path) -> None:
    before = (run / "steer.jsonl").read_bytes()
    with hostile(address.split("/?")[0] + f"/api/wish/{run.name}") as evil:
        page.open(evil)
        page.until("window.done")
        assert page.run("window.read") is None
        page.run("document.querySelector('form').submit()")
        time.sleep(1.0)
    assert (run / "steer.jsonl").read_bytes() == before


def test_a_run_that_is_gone_is_not_running(finished: Path, tmp_path: Path) -> None:
    from llm_nas.watch.reading import snapshot, state_of

    (tmp_path / "request.json").write_bytes((finished / "request.json").read_bytes())
    assert state_of(tmp_path) == "stopped"
    assert snapshot(tmp_path)["networks"] == []
    (tmp_path / "now.json").write_text(json.dumps({"pid": 2**22 + 1, "doing": []}))
    assert state_of(tmp_path) == "stopped"
    (tmp_path / "now.json").write_text(json.dumps({"pid": os.getpid(), "doing": []}))
    assert state_of(tmp_path) == "running"
