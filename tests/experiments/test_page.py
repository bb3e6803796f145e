"""The report page: complete, without a network, and safe whatever a run says."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import FrontPoint, SearchReport, SearchRequest, TraceEvent
from llm_nas.errors import RequestError, StoreError
from llm_nas.evaluation.page import PageRun, page_run, render_page
from llm_nas.evaluation.page.render import embedded_json
from llm_nas.experiments.page import write_page
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.trace import Trace

CHROMIUM = shutil.which("chromium")
ATTACK = "document.title='broken'"
NASTY = f'</script><script>{ATTACK}</script><img src=x onerror="{ATTACK}">'
CELL = "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|"
STAGES = "e1=1 k1=3 se1=0 e2=4 k2=5 se2=1"
PLAIN = "alpha=0.1 kind=wide"
ARCHS = (CELL, STAGES, PLAIN)


def event(generation: int, niche: str, role: str, name: str, **data: Any) -> TraceEvent:
    return TraceEvent(
        ts="", run="r", generation=generation, niche=niche, role=role, event=name, seq=0, data=data
    )


def network(generation: int, arch: str, value: float, latency: float) -> list[TraceEvent]:
    made = {"arch": arch, "origin": "advisor", "operator": "front", "reason": "why", "gain": 0.5}
    timed = {"latency_ms": latency, "latency_low_ms": 0.9 * latency, "latency_high_ms": latency}
    judged = {"arch": arch, "decision": "accepted", "kind": "ok", "reason": "new"}
    return [
        event(generation, "S", "designer", "candidate", **made),
        event(generation, "S", "validator", "verdict", **judged),
        event(generation, "S", "train", "measurement", arch=arch, accuracy_pct=value, **timed),
    ]


def events_of() -> list[TraceEvent]:
    slot = {"arch": STAGES, "niche": "S", "origin": "advisor", "reason": "gap", "gain": 0.25}
    evidence = {"n_for": 7, "n_against": 1, "mean_effect": 1.5, "low": 1.0, "high": 2.0}
    claim = {"id": "c", "statement": "k1 raises accuracy", "status": "supported"}
    return [
        event(-1, "run", "open", "opened", niches=[{"id": "S", "rule": "small"}], notes=[]),
        *network(0, CELL, 80.0, 1.0),
        event(0, "run", "learn", "generation", trained=1, trainings=1.0),
        *network(1, STAGES, 90.0, 2.0),
        *network(1, PLAIN, 94.0, 4.0),
        event(1, "S", "train", "failure", arch="x", stage="train", reason="diverged"),
        event(1, "run", "plan", "slots", why=[slot]),
        event(1, "run", "knowledge", "claim", **claim, evidence=evidence),
        event(1, "run", "learn", "generation", trained=2, trainings=3.0),
    ]


def report_of(folder: Path) -> SearchReport:
    places = zip(ARCHS, (80.0, 90.0, 94.0), (1.0, 2.0, 4.0), strict=True)
    front = [
        FrontPoint(
            metric="accuracy_pct", arch=a, niche="S", value=v, test_value=v - 1, latency_ms=ms
        )
        for a, v, ms in places
    ]
    return SearchReport(
        protocol=2,
        run="r",
        request=SearchRequest.model_validate({}),
        space="mine",
        task="digits",
        device="host",
        metric="accuracy_pct",
        data_source="made up",
        seed=0,
        model="offline",
        trainings=3.0,
        front=tuple(front),
        hv=0.93,
        hv_at={"12": 0.9},
        baselines=({"name": "mobile-1.0", "accuracy_pct": 88.0, "latency_ms": 3.0},),
        out=folder,
    )


@pytest.fixture
def page(tmp_path: Path) -> PageRun:
    return page_run(report_of(tmp_path), events_of())


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    body = report_of(folder).model_dump(mode="json")
    run_dir.write_json(folder / run_dir.RESULT, body)
    run_dir.write_json(folder / run_dir.REQUEST, {})
    trace = Trace(folder / run_dir.TRACE, "r")
    blocks: dict[tuple[int, str], list[TraceEvent]] = {}
    for one in events_of():
        blocks.setdefault((one.generation, one.niche), []).append(one)
    for block in blocks.values():
        trace.append(block)
    trace.close()
    return folder


def data_of(html: str) -> list[dict[str, Any]]:
    match = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert match is not None
    runs: list[dict[str, Any]] = json.loads(match[1])
    return runs


def test_a_page_holds_every_network_and_its_story(page: PageRun) -> None:
    assert [n.arch for n in page.networks] == list(ARCHS)
    assert page.networks[0].low_ms == pytest.approx(0.9)
    assert page.networks[1].test == 89.0
    assert list(page.volumes) == sorted(page.volumes)
    assert [(g.trained, g.failed) for g in page.generations] == [(1, 0), (2, 1)]
    assert page.generations[1].why[0].gain == 0.25
    assert page.claims[0].evidence is not None
    assert page.claims[0].evidence.n_for == 7
    assert (page.knee, len(page.steps)) == (STAGES, 2)
    assert page.steps[0].less_error == pytest.approx(10.0)


def test_reused_trainings_of_the_front_are_shown(tmp_path: Path) -> None:
    rest = [e for e in events_of() if CELL not in str(e.data)]
    found = page_run(report_of(tmp_path), rest)
    assert found.networks[0].origin == "an earlier run"


def test_a_page_asks_nobody_for_anything(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "page.html"
    write_page([finished, finished], out)
    html = out.read_text()
    assert "default-src 'none'" in html
    assert "@@" not in html
    outside = re.sub(r"http://www\.w3\.org/2000/svg", "", html)
    assert not re.search(r"https?://|\bsrc=|@import|url\(", outside)
    assert len(data_of(html)) == 2


def test_the_script_writes_text_only() -> None:
    script = Path(__file__).parents[2] / "evaluation" / "page" / "page.js"
    dangerous = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function"
    assert not re.search(dangerous, script.read_text())


def hostile(page: PageRun) -> PageRun:
    """The same run, with markup wherever a run can have text."""
    nasty = {"reason": NASTY, "arch": NASTY, "operator": NASTY, "parents": (NASTY,)}
    slot = page.generations[1].why[0].model_copy(update={"reason": NASTY, "arch": NASTY})
    claim = page.claims[0].model_copy(update={"id": NASTY, "statement": NASTY, "status": NASTY})
    texts = dict.fromkeys(("run", "space", "task", "device", "model", "knee", "reference"), NASTY)
    return page.model_copy(
        update=texts
        | {
            "networks": (page.networks[0].model_copy(update=nasty), *page.networks[1:]),
            "niches": (page.niches[0].model_copy(update={"rule": NASTY, "id": NASTY}),),
            "generations": (page.generations[0].model_copy(update={"why": (slot,)}),),
            "claims": (claim,),
            "failures": (NASTY,),
            "notes": (NASTY,),
            "baselines": ({NASTY: NASTY},),
            "versions": {NASTY: NASTY},
        }
    )


def test_markup_in_a_run_stays_text(page: PageRun) -> None:
    html = render_page([hostile(page)])
    assert html.count("<script") == 2
    assert "<img" not in html
    assert data_of(html)[0]["knee"] == NASTY


def test_embedded_json_survives_everything() -> None:
    value = {"a": [NASTY, "\u2028\u2029&amp;", 'quote " and \\', 1.5, None]}
    text = embedded_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_what_is_no_finished_run_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no run given"):
        render_page([])
    with pytest.raises(RequestError, match="nowhere"):
        write_page(["nowhere"], tmp_path / "x.html")
    (finished / run_dir.RESULT).unlink()
    with pytest.raises(RequestError, match="not finished"):
        write_page([finished], tmp_path / "x.html")
    (finished / run_dir.RESULT).write_text("{}")
    with pytest.raises(StoreError, match="not a result of this version"):
        write_page([finished], tmp_path / "x.html")


def test_a_trace_that_lacks_something_is_one_line(tmp_path: Path) -> None:
    broken = [e.model_copy(update={"data": {}}) for e in events_of()]
    with pytest.raises(StoreError, match="its trace lacks"):
        page_run(report_of(tmp_path), broken)


HARNESS = """<!doctype html><pre id="found"></pre>
<iframe src="page.html" style="width: WIDTHpx; height: 2000px; border: 0"></iframe>
<script>
document.querySelector("iframe").addEventListener("load", (event) => {
  const doc = event.target.contentDocument, found = {}, $ = (id) => doc.getElementById(id);
  const send = (node, name) => node.dispatchEvent(new event.target.contentWindow.Event(name));
  SCRIPT
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


def in_browser(page: str, script: str, folder: Path, width: int = 1200) -> dict[str, Any]:
    """What a script finds on the page: `doc` is its document, `found` goes into the answer."""
    assert CHROMIUM is not None
    (folder / "page.html").write_text(page, encoding="utf-8")
    harness = folder / "harness.html"
    harness.write_text(HARNESS.replace("WIDTH", str(width)).replace("SCRIPT", script))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    flags += ["--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}"]
    flags += ["--virtual-time-budget=2000", "--dump-dom", harness.as_uri()]
    done = subprocess.run(
        [CHROMIUM, *flags], capture_output=True, text=True, timeout=60, check=True
    )
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match is not None
    assert match[1], "the script did not reach its end"
    found: dict[str, Any] = json.loads(unescape(match[1]))
    return found


USE = """
  found.ready = doc.documentElement.dataset.ready;
  found.points = doc.querySelectorAll(".point").length;
  found.stages = $("drawing").querySelectorAll("rect").length;
  send(doc.querySelectorAll(".point")[2], "click");
  found.choices = $("drawing").querySelectorAll("td").length;
  $("generation").value = 0; send($("generation"), "input");
  found.first = doc.querySelectorAll(".point").length;
  send(doc.querySelector(".point"), "click");
  found.network = $("network").textContent;
  found.edges = $("drawing").querySelectorAll("path").length;
  $("limit").value = 0; send($("limit"), "input");
  found.fastest = $("within").textContent;
  found.happened = $("generations").textContent;
  found.claims = $("claims").textContent;
  found.baselines = $("baselines").textContent;
  found.overflow = doc.documentElement.scrollWidth - doc.documentElement.clientWidth;
  $("run").value = 1; send($("run"), "change");
  found.second = $("title").textContent;
  found.title = doc.title;
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_page_can_be_used_and_draws_any_architecture(page: PageRun, tmp_path: Path) -> None:
    other = page.model_copy(update={"task": "photos"})
    found = in_browser(render_page([page, other]), USE, tmp_path)
    assert (found["ready"], found["points"], found["first"]) == ("yes", 3, 1)
    assert (found["edges"], found["stages"], found["choices"]) == (6, 6, 4)
    assert "generation 0" in found["network"]
    assert found["fastest"].endswith("80.00 % in 1.000 ms")
    assert "gap, expected gain 0.250" in found["happened"]
    assert "supported71+1.500 [1.000, 2.000]" in found["claims"]
    assert "mobile-1.0" in found["baselines"]
    assert found["second"] == "mine/photos on host"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_runs_none_of_a_runs_text(page: PageRun, tmp_path: Path) -> None:
    """On a phone, where nothing may scroll sideways either."""
    script = USE.replace('send(doc.querySelectorAll(".point")[2], "click");', "")
    found = in_browser(render_page([hostile(page), page]), script, tmp_path, width=375)
    assert (found["ready"], found["overflow"]) == ("yes", 0)
    assert found["title"] != "broken"
    assert NASTY in found["claims"]
    assert NASTY in found["happened"]
