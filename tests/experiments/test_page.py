"""The report page: complete, without a network, and safe whatever a run says."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import SearchReport, SearchRequest, SourceCounts
from llm_nas.errors import RequestError, StoreError
from llm_nas.evaluation.page_data import PageRemedy, PageRun, PageSignature, page_run
from llm_nas.evaluation.page_heuristics import PageHeuristic
from llm_nas.evaluation.page_render import embedded_json, render_page
from llm_nas.evaluation.page_sources import PageSource
from llm_nas.experiments.page import write_page
from llm_nas.graph.search import search
from llm_nas.graph.trace import read_trace

CHROMIUM = shutil.which("chromium")
ATTACK = "document.title='broken'"
NASTY = f'</script><script>{ATTACK}</script><img src=x onerror="{ATTACK}">'


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished run on the embedded pack."""
    folder = tmp_path_factory.mktemp("page")
    request = SearchRequest(
        dataset="cifar10",
        device="fpga",
        budget=18,
        generations=3,
        labels=60,
        out=folder / "run",
        store=folder / "store",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LLM_NAS_DATA", raising=False)
        return search(request).out


@pytest.fixture(scope="module")
def page(run_dir: Path) -> PageRun:
    result = json.loads((run_dir / "result.json").read_text())
    return page_run(SearchReport.model_validate(result), read_trace(run_dir))


def data_of(html: str) -> list[dict[str, object]]:
    match = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert match is not None
    runs: list[dict[str, object]] = json.loads(match[1])
    return runs


def test_a_page_holds_every_cell_and_its_story(page: PageRun) -> None:
    assert len({c.arch for c in page.cells}) == page.evaluations == 18
    assert len(page.volumes) == page.generations == 3
    assert list(page.volumes) == sorted(page.volumes)
    assert [n.id for n in page.niches] == ["S0", "S1", "S2", "S3", "S4", "S5"]
    assert {c.niche for c in page.cells} <= {n.id for n in page.niches}
    assert all(c.operator and c.source and c.verdict for c in page.cells)
    assert any(c.parents for c in page.cells)
    front = [c for c in page.cells if c.test_accuracy_pct is not None]
    assert page.knee in {c.arch for c in front}
    assert len(page.steps) == len(front) - 1


def test_a_page_asks_nobody_for_anything(run_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "page.html"
    write_page([run_dir, run_dir], out)
    html = out.read_text()
    assert "default-src 'none'" in html
    assert "@@" not in html
    outside = re.sub(r"http://www\.w3\.org/2000/svg", "", html)
    assert not re.search(r"https?://|\bsrc=|@import|url\(", outside)
    assert len(data_of(html)) == 2


def test_the_script_writes_text_only() -> None:
    script = Path(__file__).parents[2] / "evaluation" / "page" / "page.js"
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function",
        script.read_text(),
    )


def hostile(page: PageRun) -> PageRun:
    """The same run, with markup wherever a run can have text."""
    cell = page.cells[0].model_copy(
        update={"rationale": NASTY, "arch": NASTY, "operator": NASTY, "parents": (NASTY,)}
    )
    niche = page.niches[0].model_copy(update={"rule": NASTY, "id": NASTY})
    heuristic = PageHeuristic(id=NASTY, statement=NASTY, status=NASTY)
    signature = PageSignature(generation=1, niche=NASTY, kind=NASTY, reason=NASTY, source=NASTY)
    remedy = PageRemedy(generation=2, niche=NASTY, kind=NASTY, taken=NASTY, source=NASTY)
    counts = SourceCounts(raw=3, novel=1, rejected=2)
    source = PageSource(grouping=NASTY, name=NASTY, counts=counts, rates=counts.rates(), gain=0.1)
    texts = {"run": NASTY, "dataset": NASTY, "model": NASTY, "knee": NASTY, "predictor": NASTY}
    return page.model_copy(
        update=texts
        | {
            "device": NASTY,
            "cells": (cell, *page.cells[1:]),
            "niches": (niche, *page.niches[1:]),
            "heuristics": (heuristic, *page.heuristics),
            "signatures": (signature,),
            "remedies": (remedy,),
            "sources": (source,),
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


def test_what_is_no_finished_run_is_refused(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no run given"):
        render_page([])
    with pytest.raises(RequestError, match="nowhere"):
        write_page(["nowhere"], tmp_path / "x.html")
    half = tmp_path / "half"
    half.mkdir()
    shutil.copy(run_dir / "request.json", half)
    with pytest.raises(RequestError, match="not finished"):
        write_page([half], tmp_path / "x.html")
    (half / "result.json").write_text("{}")
    with pytest.raises(StoreError, match="not a result of this version"):
        write_page([half], tmp_path / "x.html")


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
    done = subprocess.run(
        [
            CHROMIUM,
            *flags,
            "--allow-file-access-from-files",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            harness.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match is not None
    assert match[1], "the script did not reach its end"
    found: dict[str, Any] = json.loads(unescape(match[1]))
    return found


USE = """
  found.ready = doc.documentElement.dataset.ready;
  found.points = doc.querySelectorAll(".point").length;
  const when = $("when").textContent;
  $("generation").value = 0; send($("generation"), "input");
  found.first = doc.querySelectorAll(".point").length;
  found.scrubbed = when !== $("when").textContent;
  send(doc.querySelector(".point"), "click");
  found.cell = $("cell").textContent;
  found.edges = $("drawing").querySelectorAll("path").length;
  $("limit").value = 0; send($("limit"), "input");
  found.fastest = $("within").textContent;
  found.steps = $("steps").rows.length - 1;
  found.knee = $("knee").textContent;
  found.signatures = $("signatures").textContent;
  found.sources = $("sources").textContent;
  found.lift = $("heuristics").rows[1].cells[5].textContent;
  $("run").value = 1; send($("run"), "change");
  found.second = $("title").textContent;
  found.title = doc.title;
"""
NARROW = """
  found.overflow = doc.documentElement.scrollWidth - doc.documentElement.clientWidth;
"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_page_can_be_used(page: PageRun, tmp_path: Path) -> None:
    crowd = PageSignature(generation=1, niche="S2", kind="clustering", reason="12 cells")
    remedy = PageRemedy(generation=2, niche="S2", kind="clustering", taken="aimed at 2-3 ms")
    again = crowd.model_copy(update={"generation": 2, "reason": "14 cells"})
    lifted = PageHeuristic(
        id="h", statement="h", lift=0.0021, lift_low=-0.0004, lift_high=0.0046, shown=7, withheld=5
    )
    shown = page.model_copy(
        update={"signatures": (crowd, again), "remedies": (remedy,), "heuristics": (lifted,)}
    )
    other = page.model_copy(update={"dataset": "cifar100"})
    found = in_browser(render_page([shown, other]), USE, tmp_path)
    assert found["ready"] == "yes"
    assert found["points"] > found["first"] > 0
    assert found["scrubbed"]
    assert "generation 0" in found["cell"]
    assert found["edges"] == 6
    fastest = min(c.latency_ms for c in page.cells if c.test_accuracy_pct is not None)
    assert found["fastest"].endswith(f"in {fastest:.4g} ms")
    assert found["steps"] == len(page.steps)
    assert page.knee in found["knee"]
    assert found["signatures"] == (
        "S2, clustering, generation 1\u20132: 14 cellsdone in generation 2, S2: aimed at 2-3 ms"
    )
    assert "sourceoffline1818100 %0 %0 %100 %0 %" in found["sources"]
    assert found["lift"] == "+0.0021 [-0.0004, +0.0046]"
    assert found["second"] == "cifar100 on fpga"


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_phone_shows_the_page_without_sideways_scrolling(page: PageRun, tmp_path: Path) -> None:
    found = in_browser(render_page([page, page]), NARROW, tmp_path, width=375)
    assert found["overflow"] == 0


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_runs_none_of_a_runs_text(page: PageRun, tmp_path: Path) -> None:
    found = in_browser(render_page([hostile(page), page]), USE, tmp_path)
    assert found["ready"] == "yes"
    assert found["title"] != "broken"
    assert NASTY in found["signatures"]
    assert NASTY in found["sources"]
