"""The report page: complete, without a network, and safe whatever a run says."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from llm_nas.domain import SearchReport, SearchRequest
from llm_nas.errors import RequestError, StoreError
from llm_nas.evaluation.page_data import PageRun, page_run
from llm_nas.evaluation.page_render import embedded_json, render_page
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
    texts = {"run": NASTY, "dataset": NASTY, "model": NASTY, "knee": NASTY, "predictor": NASTY}
    return page.model_copy(
        update=texts | {"cells": (cell, *page.cells[1:]), "niches": (niche, *page.niches[1:])}
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


def in_browser(html: Path, tmp_path: Path) -> str:
    """The page's document after its script ran."""
    assert CHROMIUM is not None
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    done = subprocess.run(
        [
            CHROMIUM,
            *arguments,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            html.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_draws_a_run_and_runs_none_of_its_text(page: PageRun, tmp_path: Path) -> None:
    html = tmp_path / "page.html"
    html.write_text(render_page([page, hostile(page)]), encoding="utf-8")
    document = in_browser(html, tmp_path)
    assert 'data-ready="yes"' in document
    assert document.count('class="point') >= 10
    assert "<title>broken" not in document
    html.write_text(render_page([hostile(page)]), encoding="utf-8")
    document = in_browser(html, tmp_path)
    assert 'data-ready="yes"' in document
    assert "<title>broken" not in document
