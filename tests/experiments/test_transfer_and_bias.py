"""Which searches a transfer makes and with what; where a model's proposals are counted."""

from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import Candidate, ContextName, SearchReport, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.experiments import bias as bias_module
from llm_nas.experiments import sample as sample_module
from llm_nas.experiments import transfer as transfer_module
from llm_nas.experiments.bias import measure_bias
from llm_nas.experiments.methods import make_method
from llm_nas.experiments.setting import Order
from llm_nas.experiments.transfer import SOURCE_SEED, TransferPlan, transfer
from tests.experiments.conftest import NAMES, TRUTH, Truth

PLAN = TransferPlan(contexts=NAMES, seeds=(0, 1), trainings=12, source_trainings=24)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SearchRequest, bool]]:
    """Every search that is asked for; a store with something in it is worth .1."""
    made: list[tuple[SearchRequest, bool]] = []

    def run_search(request: SearchRequest, keep: bool = False) -> SearchReport:
        made.append((request, keep))
        assert request.store is not None
        assert request.out is not None
        warm = request.store.exists()
        if keep:
            request.store.mkdir(parents=True)
        hv_at = {"12": 0.8 + 0.1 * warm} | ({"0": 0.7} if warm else {})
        return SearchReport(
            protocol=2,
            run="r",
            request=request,
            space=request.space or "",
            task=request.task or "",
            device=request.device or "",
            metric="accuracy_pct",
            data_source="",
            seed=request.seed,
            model="offline",
            trainings=request.trainings,
            front=(),
            hv=hv_at["12"],
            hv_at=hv_at,
            out=request.out,
        )

    monkeypatch.setattr(transfer_module, "run_search", run_search)
    return made


def test_targets_are_searched_cold_and_with_the_sources_store(
    small: Truth, searches: list[tuple[SearchRequest, bool]]
) -> None:
    rows = transfer(PLAN)
    assert [(r.source, r.target, r.seed) for r in rows] == [
        ("small/t/one", "small/t/two", 0),
        ("small/t/one", "small/t/two", 1),
        ("small/t/two", "small/t/one", 0),
        ("small/t/two", "small/t/one", 1),
    ]
    assert [r.hv_cold for r in rows] == [0.8] * 4
    assert [r.hv_warm for r in rows] == pytest.approx([0.9] * 4)
    assert all(r.at == {"0": 0.7, "12": pytest.approx(0.9)} for r in rows)
    sources = [request for request, keep in searches if keep]
    assert {request.seed for request in sources} == {SOURCE_SEED, SOURCE_SEED + 1}
    assert {request.trainings for request in sources} == {24}


def test_a_transfer_goes_on_where_it_was_cut(
    small: Truth, searches: list[tuple[SearchRequest, bool]], tmp_path: Path
) -> None:
    whole = transfer(PLAN, tmp_path)
    made, log = len(searches), tmp_path / "rows.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    assert transfer(PLAN, tmp_path) == whole
    assert len(searches) - made == 2


def test_a_transfer_needs_two_places_of_one_space(small: Truth) -> None:
    with pytest.raises(RequestError, match="at least two contexts of one space"):
        transfer(PLAN.model_copy(update={"contexts": NAMES[:1]}))


ORDER = Order(context=ContextName(space="small", task="t", device="one"), seed=0, trainings=6)


class Scripted:
    """An opener that knows large networks only, and repeats itself."""

    def __init__(self) -> None:
        self.large = [arch for arch in TRUTH.archs if "w1=64 op1=conv" in arch]
        self.niches: list[str | None] = []

    def open(self, size: int, *, niche: str | None = None, turn: int = 0) -> list[Candidate]:
        self.niches.append(niche)
        given = self.large[: size - 1] + self.large[:1]
        return [Candidate(arch=a, niche="", origin="m") for a in given]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    opener = Scripted()

    def open_opener(model: str, order: Order, transport: Any = None) -> Scripted:
        return opener

    monkeypatch.setattr(bias_module, "open_opener", open_opener)
    monkeypatch.setattr(sample_module, "open_opener", open_opener)
    return opener


def test_proposals_are_counted_by_niche_and_latency(small: Truth, scripted: Scripted) -> None:
    plain, niched, random = measure_bias("some:model", ORDER).ways
    assert plain.distinct == 5
    assert plain.largest_share == 1.0
    assert sum(niched.niches.values()) == sum(niched.latency_bands)
    assert random.distinct == 6
    assert scripted.niches[0] is None
    assert len(set(scripted.niches)) == len(scripted.niches)


def test_sampling_trains_what_is_new_and_stops_when_ideas_end(
    small: Truth, scripted: Scripted
) -> None:
    """Five of six are new; what is missing is asked for again, and never made up."""
    rows = make_method("sample:some:model")(ORDER).rows
    assert [row.arch for row in rows] == scripted.large[:5]
    assert len(scripted.niches) == 5


def test_offline_has_no_bias(small: Truth) -> None:
    with pytest.raises(RequestError, match="asks no language model"):
        measure_bias("offline", ORDER)
