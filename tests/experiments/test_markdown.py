"""The results page: marked tables are made anew, everything else stays."""

from pathlib import Path

import pytest

from llm_nas.errors import RequestError
from llm_nas.experiments.markdown import BEGIN, END, rewrite, tables
from llm_nas.experiments.rows import LOG_FILE, SETTINGS_FILE, Record, Row, Settings

METHODS = {"offline": 0.95, "nsga2": 0.9, "no-partition": 0.94, "operators-only": 0.8}
METHODS["operators-only@auto"] = 0.85


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one finished comparison of two devices and seeds."""
    folder = tmp_path / "comparisons" / "main"
    folder.mkdir(parents=True)
    settings = Settings(
        budget=120,
        labels=1000,
        generations=10,
        partition="conv3x3",
        predictor="trees",
        data_source="tables",
        data_digest="0",
    )
    (folder / SETTINGS_FILE).write_text(settings.model_dump_json())
    records = [
        record(m, d, s, hv + 0.01 * (d == "fpga"))
        for m, hv in METHODS.items()
        for d in ("eyeriss", "fpga")
        for s in (0, 1)
    ]
    (folder / LOG_FILE).write_text("".join(r.model_dump_json() + "\n" for r in records))
    return tmp_path


def record(method: str, device: str, seed: int, hv: float) -> Record:
    others = ("hv_at_k", "igd_plus", "unit_hv", "seconds", "igd", "optimism", "niches")
    figures = dict.fromkeys((*others, "latency_deciles"), 0.5)
    where = {"method": method, "dataset": "cifar10", "device": device, "seed": seed}
    row = Row.model_validate(where | figures | {"evaluations": 120, "hv": hv, "hv_ceiling": 1.0})
    return Record(row=row, cells=(1,), curve=((1, hv),), front=((5.0, 1.0),))


def page(*marks: str) -> str:
    blocks = [f"before\n{BEGIN}{mark} -->\nold\n{END}\nafter\n" for mark in marks]
    return "# Results\n" + "".join(blocks)


def test_marked_tables_are_made_anew_and_again_the_same(root: Path) -> None:
    text, left = rewrite(page("methods comparisons/main", "contexts comparisons/main"), root)
    assert left == []
    assert "old" not in text
    assert text.count("before") == text.count("after") == 2
    assert "120 evaluations, 2 seeds, 4 runs a method; tables; predictor: trees" in text
    assert "| nsga2 | 0.9050 |" in text
    assert "method seconds in all: 10 (" in text
    assert "| cifar10, fpga | 0.960 | 0.910 | 0.950 | 0.810 | 0.860 | 1.000 |" in text
    assert rewrite(text, root) == (text, [])
    assert "| nsga2 | 0.9050 |" in "\n".join(tables(root / "comparisons" / "main"))


def test_a_systems_variants_stand_below_it_as_differences(root: Path) -> None:
    text, _ = rewrite(page("devices comparisons/main operators-only"), root)
    assert "| system | eyeriss | fpga | mean |" in text
    assert "| operators-only | 0.800 | 0.810 | 0.805 |" in text
    assert "| operators-only@auto | +0.050 | +0.050 | +0.050 |" in text
    assert "nsga2" not in text


def test_the_papers_figures_stand_beside_ours(root: Path) -> None:
    text, _ = rewrite(page("paper comparisons/main comparisons/main"), root)
    assert "| without partition | 0.516 +- 0.155 | 0.500 | 0.945 | main, `no-partition` |" in text
    assert "niche-random" not in text


def test_a_table_without_its_directory_stays(root: Path) -> None:
    before = page("methods comparisons/none", "devices comparisons/main best-of-n")
    text, left = rewrite(before, root)
    assert text == before
    assert [line.split("-->")[1][:2] for line in left] == [": ", ": "]
    assert rewrite(page("magic comparisons/main"), root)[1]


def test_a_mark_without_an_end_is_refused(root: Path) -> None:
    with pytest.raises(RequestError, match="no <!-- end of table --> below it"):
        rewrite(f"{BEGIN}methods comparisons/main -->\nold\n", root)
