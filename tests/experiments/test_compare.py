"""Comparisons: exact budgets, resumable rows, honest tables. Small plans on the embedded pack."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from llm_nas.cli.options import JSON_FIELDS, json_document
from llm_nas.errors import LlmNasError, RequestError, RunStopped
from llm_nas.experiments.compare import Plan, compare, run_one, tasks_of
from llm_nas.experiments.methods import in_partitions, open_recorder
from llm_nas.experiments.partitions import describe
from llm_nas.experiments.results import finish
from llm_nas.experiments.rows import LOG_FILE, Row, load_rows
from llm_nas.experiments.setting import ContextName, open_setting, parse_contexts
from llm_nas.experiments.summary import pivot, summarise, summary_table, time_line
from llm_nas.tools.space import nas_bench_201

DEVICES = ("edgegpu", "fpga")
CONTEXT = ContextName(dataset="cifar10", device="fpga")


@pytest.fixture(autouse=True)
def _pack_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LLM_NAS_DATA", "OPENAI_API_KEY", "LLM_NAS_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


def small_plan(*methods: str, seeds: int = 2) -> Plan:
    return Plan(
        methods=methods,
        contexts=(CONTEXT,),
        seeds=tuple(range(seeds)),
        budget=24,
        labels=60,
    )


def test_rows_of_a_small_comparison(tmp_path: Path) -> None:
    plan = small_plan("random", "local-search")
    calls: list[tuple[int, int]] = []
    out = tmp_path / "out"
    records = compare(plan, out, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(n, 4) for n in range(5)]
    assert [r.row.key for r in records] == [t.key for t in tasks_of(plan)]
    for record in records:
        assert record.row.evaluations == len(set(record.cells)) == 24
        assert record.curve[-1] == (24, record.row.hv)
        assert 0.0 < record.row.hv <= 1.0
        assert record.row.device == "fpga"
    summaries = finish(plan, records, out)
    assert [s.method for s in summaries] == ["random", "local-search"]
    assert {p.name for p in out.iterdir()} == {
        "settings.json",
        "rows.jsonl",
        "rows.csv",
        "summary.json",
        "convergence.png",
        "attainment.png",
    }
    document = json.loads((out / "summary.json").read_text())
    assert document["plan"]["budget"] == 24
    table = (out / "rows.csv").read_text()
    assert table.startswith("method,dataset,device,seed,evaluations,hv,hv_at_k,")


def test_a_comparison_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    plan = small_plan("random")
    whole = compare(plan, tmp_path / "whole")
    cut = tmp_path / "cut"
    compare(plan.model_copy(update={"seeds": (0,)}), cut)
    with (cut / LOG_FILE).open("a") as log:
        log.write('{"row": {"method": "rand')
    done: list[int] = []
    resumed = compare(plan, cut, progress=lambda n, _: done.append(n))
    assert done == [1, 2]
    assert [r.cells for r in resumed] == [r.cells for r in whole]
    assert [r.row.hv for r in resumed] == [r.row.hv for r in whole]
    assert len(load_rows(cut)[1]) == 2


def test_rows_of_other_settings_do_not_mix(tmp_path: Path) -> None:
    plan = small_plan("random", seeds=1)
    compare(plan, tmp_path)
    with pytest.raises(RequestError, match="budget 24 there, 12 now"):
        compare(plan.model_copy(update={"budget": 12}), tmp_path)


def test_a_damaged_line_in_the_middle_is_reported(tmp_path: Path) -> None:
    compare(small_plan("random"), tmp_path)
    log = tmp_path / LOG_FILE
    first, second = log.read_text().splitlines()
    log.write_text(f"{first[:-9]}\n{second}\n")
    with pytest.raises(RequestError, match="line 1 is damaged"):
        compare(small_plan("random"), tmp_path)


def test_tasks_and_records_travel_between_processes() -> None:
    (task,) = tasks_of(small_plan("random", seeds=1))
    again = pickle.loads(pickle.dumps(task))
    assert again == task
    record = run_one(again)
    assert pickle.loads(pickle.dumps(record)) == record


def test_failed_runs_are_named_and_the_others_kept(tmp_path: Path) -> None:
    plan = small_plan("random", "model:openai:x", seeds=1)
    with pytest.raises(
        RunStopped, match="1 of 2 runs failed, first model:openai:x on cifar10:fpga seed 0"
    ):
        compare(plan, tmp_path / "out")
    assert len(load_rows(tmp_path / "out")[1]) == 1


def own_device(folder: Path, content: str) -> Plan:
    """A plan on a device from a file."""
    (folder / "mine.csv").write_text(content)
    mine = ContextName(dataset="cifar10", device=f"mine={folder / 'mine.csv'}")
    return small_plan("random", seeds=1).model_copy(update={"contexts": (mine,)})


def cells_csv(first_ms: float, step: int = 4) -> str:
    space = nas_bench_201()
    cells = (space.format(space.cell(i)) for i in range(0, space.size, step))
    return "arch,latency_ms\n" + "".join(f"{c},{first_ms + i}\n" for i, c in enumerate(cells))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("arch,latency_ms\n", "no rows"),
        ("arch,latency_ms\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,1\n", "above chance"),
        ("arch,seconds\n", "lacks column latency_ms"),
    ],
)
def test_a_bad_table_is_refused_before_anything_runs(
    content: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(LlmNasError, match=why):
        compare(own_device(tmp_path, content), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_of_another_table_of_the_same_device_do_not_mix(tmp_path: Path) -> None:
    plan, out = own_device(tmp_path, cells_csv(1.0)), tmp_path / "out"
    (record,) = compare(plan, out)
    assert record.row.device == "mine"
    (tmp_path / "other").mkdir()
    with pytest.raises(RequestError, match="cifar10:mine were made with another latency table"):
        compare(own_device(tmp_path / "other", cells_csv(2.0)), out)


def test_every_method_that_uses_niches_runs_in_each_partition() -> None:
    methods = in_partitions(("offline", "random", "niche-nsga2", "auto-3"), ("conv3x3", "auto"))
    assert methods == (
        "offline",
        "random",
        "niche-nsga2",
        "auto-3",
        "offline@auto",
        "niche-nsga2@auto",
    )
    with pytest.raises(RequestError, match="partition 'magic'"):
        compare(small_plan("offline@magic"), Path("unused"))


def test_a_method_in_another_partition_is_compared_with_itself() -> None:
    rows = [row(m, "fpga", s, 0.5) for m in ("a", "b", "b@auto") for s in range(2)]
    assert [s.against for s in summarise(rows, ("a", "b", "b@auto"))] == [None, "a", "b"]
    assert time_line(rows) == "method seconds in all: 3 (a 1, b 1, b@auto 1)"


def test_json_rows_have_the_protocols_fields() -> None:
    (only,) = json_document([row("a", "fpga", 0, 0.5)], [])["rows"]
    assert list(only) == list(JSON_FIELDS)


def test_partitions_explain_themselves() -> None:
    plan = small_plan("offline")
    lines = list(describe(plan, ("conv3x3", "auto:3")))
    assert lines[0] == "cifar10:fpga, partition conv3x3:"
    assert lines[1].startswith("  S0: no nor_conv_3x3 and no nor_conv_1x1; 729 cells, median ")
    assert len(lines) == 1 + 6 + 1 + 3


def test_all_methods_of_a_seed_share_predictor_and_truth() -> None:
    first, again = (open_setting(CONTEXT, 3, labels=60) for _ in range(2))
    assert first.predicted_pct is again.predicted_pct
    assert first.context is again.context


def test_no_method_sees_more_than_its_budget() -> None:
    setting = open_setting(CONTEXT, 0, labels=60)
    recorder = open_recorder(setting, 5)
    recorder.accuracy_pct([4, 3, 4])
    assert recorder.cells == [4, 3]
    assert (recorder.evaluations, recorder.budget) == (2, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", 6),
        ("cifar10:all", 2),
        ("all:fpga", 3),
        ("cifar10:fpga, cifar10:fpga", 1),
        ("cifar10:mine=x.csv", 1),
    ],
)
def test_contexts_from_text(text: str, expected: int) -> None:
    assert len(parse_contexts(text, DEVICES)) == expected


@pytest.mark.parametrize(
    "text", ["", "cifar10", "mnist:fpga", "cifar10:tpu", "cifar10:a=x.csv,cifar10:a=y.csv"]
)
def test_unknown_contexts_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="--contexts"):
        parse_contexts(text, DEVICES)


def test_unknown_methods_are_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--methods: unknown 'magic'"):
        compare(small_plan("random", "magic"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def row(method: str, device: str, seed: int, hv: float) -> Row:
    figures = dict.fromkeys(
        ("hv_at_k", "igd_plus", "unit_hv", "seconds", "igd", "optimism", "niches"), 0.5
    )
    return Row(
        method=method,
        dataset="cifar10",
        device=device,
        seed=seed,
        evaluations=24,
        hv=hv,
        hv_ceiling=1.0,
        latency_deciles=0.5,
        **figures,
    )


def test_only_seeds_that_all_methods_finished_are_compared() -> None:
    rows = [row(m, d, s, 0.5) for m in ("a", "b") for d in DEVICES for s in (0, 1)]
    rows.append(row("a", "fpga", 2, 0.9))
    assert pivot(rows, "hv", ("a", "b"))["a"].shape == (2, 2)
    with pytest.raises(RequestError, match="no seed was finished"):
        pivot(rows, "hv", ("a", "c"))


def test_wins_are_those_of_the_first_method() -> None:
    rows = [row("a", d, s, 0.9 + s / 100) for d in DEVICES for s in range(3)]
    rows += [row("b", d, s, 0.8) for d in DEVICES for s in range(3)]
    first, second = summarise(rows, ("a", "b"))
    assert first.comparison is None
    assert second.against == "a"
    assert second.comparison is not None
    assert (second.comparison.wins, second.comparison.contexts_won) == (6, 2)
    assert first.hv.mean == pytest.approx(0.91)
    assert first.of_ceiling == pytest.approx(0.91)
    assert summary_table([first, second], "title").row_count == 2


def test_a_run_is_scored_after_it_ended() -> None:
    """The record of a task is the same whoever runs it."""
    (task,) = tasks_of(small_plan("nsga2", seeds=1))
    first, again = run_one(task), run_one(task)
    assert type(first) is type(again)
    assert getattr(first, "cells", 0) == getattr(again, "cells", 1)
    assert np.isfinite(getattr(first, "front", np.nan)).all()
