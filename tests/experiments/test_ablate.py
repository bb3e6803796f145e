"""Ablations change one part, spend the same budget and stay comparable."""

from pathlib import Path

import pytest

from llm_nas.domain import Proposal, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.experiments.ablate import DIVIDED_OPERATORS, ablation_methods, device_table, legend
from llm_nas.experiments.methods import METHODS, make_method
from llm_nas.experiments.setting import ContextName, Setting, open_setting
from llm_nas.experiments.summary import ContextSummary
from llm_nas.experiments.system import DONOR_SEEDS, donors, filled_store
from llm_nas.experiments.variants import VARIANTS, OpenDoor
from llm_nas.knowledge.store import HeuristicStore

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


def test_a_memory_is_filled_in_other_places_and_with_other_seeds(tmp_path: Path) -> None:
    request = SearchRequest(dataset="cifar100", device="fpga", seed=5, out=tmp_path / "run")
    found = donors(request, "datasets")
    assert {d.dataset for d in found} == {"cifar10", "ImageNet16-120"}
    devices = donors(request.model_copy(update={"model": "graduated"}), "devices")
    assert [d.device for d in devices] == ["edgegpu", "raspi4", "edgetpu"]
    for donor in (*found, *devices):
        assert donor.seed == 5 + DONOR_SEEDS
        assert donor.model == "offline"
        assert donor.store == request.store
        assert (donor.dataset, donor.device) != ("cifar100", "fpga")
    assert len({d.out for d in devices}) == 3


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


def test_ablations_put_the_whole_system_first() -> None:
    methods = ablation_methods("all")
    assert methods[0] == "offline"
    assert set(methods) == {"offline", *VARIANTS, *DIVIDED_OPERATORS}
    assert len(legend(methods)) == len(methods) - 1
    few = ablation_methods("no-advisor, no-partition, operators-only@auto:3")
    assert few == ("offline", "no-advisor", "no-partition", "operators-only@auto:3")


@pytest.mark.parametrize("group", ["all", "partitions"])
def test_the_axes_are_tried_where_niches_matter_too(group: str) -> None:
    methods = ablation_methods(group)
    axes = ["none", "random", "auto:3", "auto", "auto:10", "count:nor_conv_1x1", "flops:6"]
    assert {f"operators-only@{axis}" for axis in axes} <= set(methods)
    assert "operators-only@params:6: crossover and mutation only, six equal parts by " in str(
        legend(methods)
    )


def test_a_partition_of_its_own_changes_what_operators_find(setting: Setting) -> None:
    whole = make_method("operators-only", generations=2)(setting, BUDGET)
    alone = make_method("operators-only@none", generations=2)(setting, BUDGET)
    assert len(alone) == BUDGET
    assert whole != alone
    same = make_method("offline@none", generations=2)(setting, BUDGET)
    assert same == make_method("no-partition", generations=2)(setting, BUDGET)


@pytest.mark.parametrize("without", ["", "no-magic", "no-magic@auto"])
def test_unknown_ablations_are_refused(without: str) -> None:
    with pytest.raises(RequestError, match="--without"):
        ablation_methods(without)


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


def test_a_memory_is_filled_once_for_its_neighbours(setting: Setting) -> None:
    request = SearchRequest(
        dataset="cifar100", device="edgetpu", budget=36, generations=2, labels=60
    )
    filled_store.cache_clear()
    assert filled_store((request,)) is filled_store((request.model_copy(),))
    with HeuristicStore.open(Path(filled_store((request,)).name), readonly=True) as store:
        assert store.list()
