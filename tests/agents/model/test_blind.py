"""Behind a blind lexicon the model sees no name, and everything maps back."""

import re
from dataclasses import replace

import numpy as np
import pytest

from llm_nas.agents.chat.nonsense import NonsenseTransport
from llm_nas.agents.model import open_agents
from llm_nas.agents.model.blind import Lexicon, blind_lexicon, open_lexicon
from llm_nas.agents.validator import SpaceValidator
from llm_nas.claims import Heuristic
from llm_nas.conditions import Bound, Is, in_words, matches
from llm_nas.domain import ACCURACY, Candidate, SearchRequest
from llm_nas.ports import NicheView, Partition, SearchSpace
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space

ABOUT = "A Pixel 3 phone; pets on photographs."


@pytest.fixture
def blind(space: SearchSpace, partition: Partition) -> Lexicon:
    return blind_lexicon(space, partition, np.random.default_rng(11), ["digits", "pixel3"])


def test_no_name_reaches_the_model(
    space: SearchSpace, partition: Partition, view: NicheView, heuristics: tuple[Heuristic, ...]
) -> None:
    request = SearchRequest(
        task="digits", device="pixel3", model="control:nonsense", blind=True, seed=3
    )
    agents = open_agents(
        request, space, partition, metric=ACCURACY, about=ABOUT, transport=NonsenseTransport()
    )
    told = Candidate(arch=view.measured[0].arch, niche="N", origin="advisor", reason="wide pool")
    view = replace(view, suggestions=(told,))
    foreign = heuristics[0].claim.scope.model_copy(update={"devices": ("edgetpu",)})
    moved = heuristics[0].claim.model_copy(update={"scope": foreign})
    shown = (*heuristics, heuristics[0].model_copy(update={"claim": moved}))
    names = [c.name for c in space.choices] + [*space.groups, "macs_m", "toy", "avg"]
    names += ["digits", "pixel3", "edgetpu", "Pixel", "narrow", "bottleneck", "kernel", "pool"]
    for asked in (
        agents.designer.request(view, shown),
        agents.analyst.request(view, shown),
        agents.opener.request(6, seen=(told,)),
    ):
        seen = "\n".join(m.content for m in asked.messages)
        seen += str(asked.schema) + asked.format_hint
        for name in names:
            assert not re.search(rf"(?<![A-Za-z_]){name}(?![A-Za-z_])", seen), name


def test_blind_answers_come_back_as_networks_of_the_niche(
    space: SearchSpace, partition: Partition, view: NicheView
) -> None:
    request = SearchRequest(model="control:nonsense", blind=True, seed=3)
    agents = open_agents(request, space, partition, metric=ACCURACY)
    told = agents.designer.propose(view, (), np.random.default_rng(0))
    verdicts = SpaceValidator(space, partition).check("N", told, {})
    assert {v.decision for v in verdicts} <= {"accepted", "repaired"}
    assert agents.analyst.study(view, ()).claims


@pytest.mark.parametrize("name", ["nb201", "anb", "hwgpt-s"])
def test_values_survive_the_round_trip(name: str) -> None:
    space = open_space(name)
    for lexicon in (
        open_lexicon(space),
        blind_lexicon(space, open_partition(None, space), np.random.default_rng(1)),
    ):
        assert len({lexicon.key(c) for c in space.choices}) == len(space.choices)
        for choice in space.choices:
            assert lexicon.choice(lexicon.key(choice)) == choice
            tokens = lexicon.tokens(choice)
            assert [lexicon.value(choice, str(t).upper()) for t in tokens] == list(choice.values)
        assert sum(len(row.choices) for row in lexicon.rows) == len(space.choices)


def test_conditions_mean_the_same_in_codes(space: SearchSpace, blind: Lexicon) -> None:
    bound = Bound(choice="width", relation="ge", value=30)
    said = blind.condition(bound)
    assert isinstance(said, Is)
    assert "width" not in in_words(said)
    width = next(c for c in space.choices if c.name == "width")
    values = tuple(
        v for v in (blind.value(width, token) for token in said.values) if v is not None
    )
    rng = np.random.default_rng(0)
    for _ in range(50):
        facts = space.facts(space.sample(rng))
        assert matches(bound, facts) == matches(Is(choice="width", values=values), facts)


def test_order_is_told_and_scale_is_not(space: SearchSpace, blind: Lexicon) -> None:
    width = next(c for c in space.choices if c.name == "width")
    levels = [int(str(token).removeprefix("level_")) for token in blind.tokens(width)]
    assert levels == sorted(levels)
    assert not set(map(str, blind.tokens(width))) & set(map(str, width.values))


def test_free_text_is_hidden_whatever_its_case(blind: Lexicon) -> None:
    assert "width" not in blind.hide("expected WIDTH in 16").lower()
    assert blind.hide("Pixel3, pixel30") == "hidden, pixel30"


def test_codes_are_drawn_by_the_runs_seed(space: SearchSpace, partition: Partition) -> None:
    def keys(seed: int) -> list[str]:
        lexicon = blind_lexicon(space, partition, np.random.default_rng(seed))
        return [lexicon.key(c) for c in space.choices]

    assert keys(1) == keys(1) != keys(2)
