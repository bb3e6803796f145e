"""Behind a blind lexicon the model sees no name, and everything maps back."""

import re
from dataclasses import replace

import numpy as np
import pytest
from llm_nas.agents.model_analyst import ModelAnalyst
from llm_nas.agents.model_designer import ModelDesigner, read_cell
from llm_nas.agents.model_plan import plan_children
from llm_nas.agents.model_seat import Seat

from llm_nas.agents.chat.nonsense import NonsenseTransport
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.model.blind import Lexicon, blind_lexicon, open_lexicon
from llm_nas.agents.model.open import run_lexicon
from llm_nas.claims import Heuristic
from llm_nas.domain import DATASETS, DEVICES, SearchRequest
from llm_nas.ports import NicheView, Partition, SearchSpace

TELLTALE = re.compile(
    r"conv|pool|skip|1>2|3x3|1x1|\bnone\b|\|.*~|cifar|imagenet|nas-?bench|edge_1|\bS[0-5]\b",
    re.IGNORECASE,
)


@pytest.fixture
def blind(space: SearchSpace, partition: Partition) -> Lexicon:
    return blind_lexicon(space, partition, np.random.default_rng(11), ["mydev"])


def agents(partition: Partition, lexicon: Lexicon) -> tuple[ModelAnalyst, ModelDesigner]:
    seat = Seat(NonsenseTransport(3), "m", lexicon, ModelOptions())
    return ModelAnalyst(seat, partition), ModelDesigner(seat, partition)


def test_no_name_reaches_the_model(
    space: SearchSpace,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    blind: Lexicon,
) -> None:
    analyst, designer = agents(partition, blind)
    view = replace(view, suggestions=(view.measured[0].arch,))
    children = plan_children(view, np.random.default_rng(0))
    for request in (
        designer.request(view, heuristics, children),
        analyst.request(view, heuristics),
    ):
        seen = "\n".join(m.content for m in request.messages)
        seen += str(request.schema) + request.format_hint
        for name in (*DATASETS, *DEVICES, *space.operations, *space.edges, space.name):
            if name != "none":
                assert name not in seen
        found = TELLTALE.search(re.sub(r"'type': '\w+'", "", seen))
        assert found is None, seen[found.start() - 40 : found.end() + 40]


def test_blind_answers_come_back_as_cells_of_the_niche(
    space: SearchSpace,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    blind: Lexicon,
) -> None:
    analyst, designer = agents(partition, blind)
    proposals = designer.propose(view, heuristics, np.random.default_rng(0))
    assert {partition.niche_of(space.parse(p.arch)) for p in proposals} == {"S3"}
    for claim in analyst.study(view, heuristics).claims:
        assert "op_" not in claim.statement.replace("avg_pool", "").replace("nor_conv", "")
        assert "slot_" not in claim.statement


def test_a_cell_survives_the_round_trip(space: SearchSpace, blind: Lexicon) -> None:
    for index in range(0, space.size, 97):
        cell = space.cell(index)
        assert read_cell(blind, {"ops": blind.cell(cell)})[0] == cell
        assert read_cell(open_lexicon(space), {"arch": space.format(cell)})[0] == cell


def test_free_text_is_hidden_whatever_its_case(blind: Lexicon) -> None:
    hidden = blind.hide("NOR_CONV_3x3 on edge 1>2 is slow on EdgeGPU (S3) for CIFAR10, not xS3")
    assert TELLTALE.search(hidden.replace("xS3", "")) is None
    assert "xS3" in hidden


def test_codes_are_drawn_by_the_runs_seed(space: SearchSpace, partition: Partition) -> None:
    def lexicon(seed: int, *, blind: bool = True) -> Lexicon:
        request = SearchRequest(dataset="cifar10", device="mydev=x.csv", model="m", seed=seed)
        return run_lexicon(request, space, partition, ModelOptions(blind=blind))

    names = [tuple(lexicon(s).name(o) for o in space.operations) for s in range(6)]
    assert names[0] == tuple(lexicon(0).name(o) for o in space.operations)
    assert len(set(names)) > 3
    assert lexicon(0).name("mydev").startswith("device_")
    assert lexicon(0, blind=False).name("nor_conv_3x3") == "nor_conv_3x3"
    assert lexicon(0, blind=False).hide("nor_conv_3x3") == "nor_conv_3x3"
