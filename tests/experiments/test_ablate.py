"""Ablations change one part, spend the same budget and stay comparable."""

from pathlib import Path

import pytest

from llm_nas.domain import Proposal, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.experiments.ablate import ablation_plan, device_table, legend
from llm_nas.experiments.methods import METHODS, make_method
from llm_nas.experiments.setting import ContextName, Setting, open_setting
from llm_nas.experiments.summary import ContextSummary
from llm_nas.experiments.system import DONOR_SEEDS, donors
from llm_nas.experiments.variants import VARIANTS, OpenDoor

CONTEXT = ContextName(dataset="cifar10", device="edgetpu")
BUDGET = 18


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.delenv("LLM_NAS_DATA", raising=False)
    return open_setting(CONTEXT, 1, labels=60)


@pytest.mark.parametrize("name", ["offline", "no-partition", "no-knowledge", "no-validator"])
def test_ablations_spend_the_same_budget(name: str, setting: Setting) -> None:
    cells = make_method(name, generations=2)(setting, BUDGET)
    assert len(cells) == len(set(cells)) == BUDGET


def test_operators_only_asks_other_cells_than_the_whole_system(setting: Setting) -> None:
    whole = make_method("offline", generations=2)(setting, BUDGET)
    operators = make_method("operators-only", generations=2)(setting, BUDGET)
    assert whole != operators
    assert len(set(operators)) <= BUDGET


def test_best_of_n_is_one_generation(setting: Setting) -> None:
    cells = make_method("best-of-n")(setting, BUDGET)
    assert cells == make_method("offline", generations=1)(setting, BUDGET)


def test_a_memory_is_filled_by_other_datasets_and_other_seeds(tmp_path: Path) -> None:
    request = SearchRequest(dataset="cifar100", device="fpga", seed=5, out=tmp_path / "run")
    found = donors(request)
    assert [d.dataset for d in found] == ["cifar10", "ImageNet16-120"]
    assert {d.seed for d in found} == {5 + DONOR_SEEDS}
    assert all(d.store == request.store and d.out != request.out for d in found)


def test_an_open_door_rejects_only_what_cannot_be_measured(setting: Setting) -> None:
    door = OpenDoor(setting.space, setting.latency_ms)
    known, unknown = (
        setting.space.format(setting.space.cell(int(i)))
        for i in (setting.context.front[0], _without_latency(setting))
    )
    proposals = [Proposal(arch=a, operator="x", source="x") for a in (known, known, unknown, "|")]
    kinds = [v.kind for v in door.check("S0", proposals, [known])]
    assert kinds == ["ok", "ok", "no_latency", "illegal"]


def _without_latency(setting: Setting) -> int:
    return next(i for i, ms in enumerate(setting.latency_ms.tolist()) if ms != ms)


def test_plans_put_the_whole_system_first() -> None:
    plan = ablation_plan("all", contexts=(CONTEXT,), seeds=(0,))
    assert plan.methods == ("offline", *VARIANTS)
    assert len(legend(plan.methods)) == len(VARIANTS)
    few = ablation_plan("no-advisor, no-partition", contexts=(CONTEXT,), seeds=(0,))
    assert few.methods == ("offline", "no-advisor", "no-partition")


@pytest.mark.parametrize("without", ["", "no-magic"])
def test_unknown_ablations_are_refused(without: str) -> None:
    with pytest.raises(RequestError, match="--without"):
        ablation_plan(without, contexts=(CONTEXT,), seeds=(0,))


def test_every_method_and_ablation_has_a_name() -> None:
    for name in (*METHODS, *VARIANTS, "model:openai:x", "best-of-n:openai:x"):
        assert callable(make_method(name))


def test_one_row_a_system_and_one_column_a_device() -> None:
    contexts = [
        ContextSummary(dataset=d, device=v, hv=(0.9, 0.8), hv_ceiling=1.0)
        for d in ("cifar10", "cifar100")
        for v in ("fpga", "eyeriss")
    ]
    table = device_table(contexts, ("offline", "no-advisor"))
    assert (table.row_count, len(table.columns)) == (2, 3)
