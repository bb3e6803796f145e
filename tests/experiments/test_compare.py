"""Comparisons: same footing, resumable, scored outside the methods, refused in one line."""

import gc
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from llm_nas.errors import RequestError, RunStopped
from llm_nas.evaluation import controls
from llm_nas.evaluation.controls import make_control
from llm_nas.experiments import compare as module
from llm_nas.experiments import setting
from llm_nas.experiments.ablate import ablation_methods, differences, legend
from llm_nas.experiments.compare import Plan, compare
from llm_nas.experiments.methods import make_method, request_of
from llm_nas.experiments.results import document, finish, tables
from llm_nas.experiments.rows import Record, Row
from llm_nas.experiments.setting import GROUPS, Order, open_place, parse_contexts
from llm_nas.experiments.summary import complete, per_context, summarise
from llm_nas.experiments.variants import VARIANTS, WHOLE
from tests.experiments.conftest import NAMES, Truth

PLAN = Plan(methods=("nsga2", "random"), contexts=NAMES, seeds=(0, 1), trainings=14)


def test_rows_have_exactly_the_published_fields(small: Truth) -> None:
    rows = [record.row.model_dump() for record in compare(PLAN)]
    assert len(rows) == 8
    fields = "method space task device seed trainings hv hv_at igd_plus seconds".split()
    assert all(list(row) == fields for row in rows)
    assert {row["trainings"] for row in rows} == {14.0}
    assert all(0 < row["hv_at"]["12"] <= 1 for row in rows)


def test_a_comparison_goes_on_where_it_was_cut(
    small: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compare(PLAN, tmp_path)
    log = tmp_path / "rows.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:5]) + lines[5][:40])
    ran: list[str] = []
    real = module.run_one

    def counted(task: module.Task) -> Record | module.Failed:
        ran.append(task.method)
        return real(task)

    monkeypatch.setattr(module, "run_one", counted)
    again = compare(PLAN, tmp_path)
    assert len(ran) == 3

    def plain(records: Sequence[Record]) -> list[dict[str, Any]]:
        return [r.row.model_dump(exclude={"seconds"}) for r in records]

    assert plain(again) == plain(whole)


def test_rows_of_other_settings_or_fronts_do_not_mix(small: Truth, tmp_path: Path) -> None:
    compare(PLAN, tmp_path)
    with pytest.raises(RequestError, match="trainings 14 there, 15 now"):
        compare(PLAN.model_copy(update={"trainings": 15}), tmp_path)
    small.reference = replace(small.reference, digest="front 2")
    setting.TRUTHS.clear()
    with pytest.raises(RequestError, match="another reference front"):
        compare(PLAN, tmp_path)


def test_failed_runs_are_told_and_the_others_kept(
    small: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = make_method

    def some(name: str) -> Any:
        def broken(order: Order) -> Any:
            raise RequestError("no luck")

        return broken if name == "random" else real(name)

    monkeypatch.setattr(module, "make_method", some)
    with pytest.raises(RunStopped, match="4 of 8 runs failed, first random on small/t/one"):
        compare(PLAN, tmp_path)
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trainings": 20_000}, "--trainings 20000: expected at most"),
        ({"methods": ("grid",)}, "unknown 'grid'"),
        ({"methods": ("model:",)}, "unknown 'model:'"),
        ({"partition": "circles"}, "circles"),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(
    small: Truth, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError, match=re.escape(words)):
        compare(PLAN.model_copy(update=change))


def test_contexts_are_the_protocols_or_the_users() -> None:
    assert len(GROUPS["all"]) == 28
    everything = parse_contexts("all")
    assert len(everything) == 28
    assert str(everything[0]) == "nb201/cifar10/edgegpu"
    own = parse_contexts("/a/my.py:space//b/acc.csv/board=/c/ms.csv, anb/imagenet/a100")
    assert (own[0].space, own[0].task, own[0].device) == (
        "/a/my.py:space",
        "/b/acc.csv",
        "board=/c/ms.csv",
    )
    assert module.shown(own[0]).device == "board"
    with pytest.raises(RequestError, match="--contexts: empty"):
        parse_contexts(" , ")


def test_no_method_can_reach_truth(small: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything a control holds, followed to its end, leads to no truth; nor does it ask."""
    order = PLAN.order(NAMES[0], 0)

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a method opened truth")

    monkeypatch.setattr(setting, "open_truth", refuse)
    problem, door = open_place(order)
    control = make_control("nsga2", problem, 0)
    controls.run(control, problem, door)
    assert len(door.rows) == 14
    seen: set[int] = set()
    waiting: list[object] = [control, problem, door]
    while waiting:
        one = waiting.pop()
        # Modules and classes hold the whole program; an object's own references are the question.
        if id(one) in seen or isinstance(one, ModuleType | type):
            continue
        seen.add(id(one))
        assert not isinstance(one, Truth)
        held = gc.get_referents(one)
        globals_of = getattr(one, "__globals__", None)
        waiting += [h for h in held if h is not globals_of]


def test_one_place_turns_a_metric_around() -> None:
    """`Metric.error` alone: no subtraction from 100 in the folders that score."""
    root = Path(__file__).parents[2]
    folders = (root / "evaluation", root / "src" / "llm_nas" / "experiments")
    turned = re.compile(r"\b100(\.0)?\s*-\s*[a-z_(]")
    found = [
        f"{path.name}: {line.strip()}"
        for folder in folders
        for path in folder.rglob("*.py")
        for line in path.read_text().splitlines()
        if turned.search(line)
    ]
    assert not found


def record(method: str, seed: int, hv: float, device: str = "one") -> Record:
    row = Row(
        method=method,
        space="small",
        task="t",
        device=device,
        seed=seed,
        trainings=12,
        hv=hv,
        hv_at={"12": hv},
        igd_plus=0.1,
        seconds=1.0,
    )
    return Record(
        row=row,
        curve=((1.0, hv / 2), (12.0, hv)),
        optimism=0.0,
        niches=1.0,
        latency_deciles=1.0,
        trainings_to={"0.90": 12.0 if hv > 0.9 else None},
    )


def test_methods_are_compared_by_seed_and_only_on_seeds_all_finished() -> None:
    rng = np.random.default_rng(0)
    records = [
        record(m, s, 0.9 + 0.02 * (m == "a") + 0.001 * float(rng.random()), d)
        for m in ("a", "b")
        for s in range(10)
        for d in ("one", "two")
    ]
    records.append(record("a", 11, 0.1))
    assert len(complete(records, ("a", "b"))) == 40
    first, second = summarise(records, ("a", "b"))
    assert first.comparison is None
    assert second.comparison is not None
    assert (second.comparison.seeds, second.comparison.wins) == (10, 20)
    assert second.p_holm == pytest.approx(2 / 2**10)
    assert first.reached == {"0.90": 1.0}
    places = per_context(records, ("a", "b"))
    assert [p.device for p in places] == ["one", "two"]
    assert places[0].hv["a"] - places[0].hv["b"] == pytest.approx(0.02, abs=0.001)


def test_files_say_protocol_budget_and_where_settings_were_chosen(
    small: Truth, tmp_path: Path
) -> None:
    records = compare(PLAN, tmp_path)
    finish(PLAN, records, tmp_path)
    told = (tmp_path / "tables.md").read_text()
    assert told.startswith("Protocol 2: 14 trainings, 2 seeds, 2 contexts")
    assert "| small/t/one |" in told
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["protocol"] == 2
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "rows.csv").read_text().startswith("method,space,task,device,seed,")
    assert set(document(PLAN, records)) == {"protocol", "rows", "summary", "contexts"}
    old = PLAN.model_copy(update={"accuracy": "predicted"})
    assert "Protocol 1 (accuracies predicted from 1000 labels)" in next(iter(tables(old, records)))


def test_ablations_change_what_they_say(tmp_path: Path) -> None:
    names = ablation_methods("advisor, partition,offline-operators")
    assert names == ("offline", "offline-no-advisor", "offline-no-partition", "offline-operators")
    assert len(ablation_methods("all")) == 1 + len(VARIANTS)
    assert all(line.endswith(".") or ": " in line for line in legend(names))
    with pytest.raises(RequestError, match="--without 'soul'"):
        ablation_methods("soul")
    for name in VARIANTS:
        make_method(name)
    order = PLAN.order(NAMES[0], 3)
    request = request_of(order, VARIANTS["offline-no-partition"], tmp_path)
    assert (request.partition, request.seed, request.trainings) == ("none", 3, 14)
    alone = request_of(order, WHOLE, tmp_path, "some:model", "alone")
    assert (alone.model_share, alone.model) == (1.0, "some:model")


def test_differences_are_told_by_context() -> None:
    records = [
        record(m, s, hv, d)
        for m, hv in (("offline", 0.95), ("offline-no-advisor", 0.85))
        for s in (0, 1)
        for d in ("one", "two")
    ]
    names = ("offline", "offline-no-advisor")
    lines = list(differences(summarise(records, names), per_context(records, names)))
    assert lines[-1] == "| offline-no-advisor | -0.1000 | -0.100 | -0.100 |"
