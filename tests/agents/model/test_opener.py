"""The opening: legal, new networks of a model's own belief, timed where timing is free."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.transport import ChatReply, ChatRequest
from llm_nas.agents.model import open_agents
from llm_nas.agents.model.opener import ModelOpener
from llm_nas.domain import ACCURACY, Candidate, Failure, SearchRequest, Timing
from llm_nas.ports import Partition, SearchSpace


class Scripted:
    """Answers with given networks, in order; keeps what it was asked."""

    def __init__(self, space: SearchSpace, *answers: Sequence[str | Mapping[str, object]]) -> None:
        self._space = space
        self._answers = list(answers)
        self.asked: list[str] = []

    def send(self, request: ChatRequest) -> ChatReply:
        self.asked.append("\n".join(m.content for m in request.messages))
        if not self._answers:
            raise CallFailed("server", "down")
        networks = [
            {"reason": "why", **self._space.values(item)} if isinstance(item, str) else item
            for item in self._answers.pop(0)
        ]
        text = json.dumps({"plan": "", "networks": networks})
        return ChatReply(text, 10, 10, "scripted", "plain")


def opener_of(space: SearchSpace, partition: Partition, model: Scripted) -> ModelOpener:
    from llm_nas.agents.chat.options import ModelOptions

    options = ModelOptions(retries=0)
    request = SearchRequest(task="digits", device="pixel3", model="scripted")
    agents = open_agents(
        request, space, partition, metric=ACCURACY, transport=model, options=options
    )
    return agents.opener


@pytest.fixture
def archs(space: SearchSpace, partition: Partition) -> list[str]:
    """Two networks of every niche."""
    rng = np.random.default_rng(1)
    return [space.sample(rng, n.condition) for n in partition.niches for _ in range(2)]


def test_networks_land_in_their_own_niches(
    space: SearchSpace, partition: Partition, archs: list[str]
) -> None:
    told = opener_of(space, partition, Scripted(space, archs)).open(6)
    assert [c.arch for c in told] == archs
    assert Counter(c.niche for c in told) == {"M": 2, "N": 2, "W": 2}
    assert {(c.origin, c.operator, c.reason) for c in told} == {("scripted", "opening", "why")}


def test_repeats_and_illegal_ones_are_asked_for_again(
    space: SearchSpace, partition: Partition, archs: list[str]
) -> None:
    broken: Mapping[str, object] = {"k1": "nine", "pool": "median"}
    model = Scripted(space, [archs[0], archs[0], broken], archs[:3])
    told = opener_of(space, partition, model).open(3)
    assert [c.arch for c in told] == archs[:3]
    assert "only 1 of 3 networks can be used" in model.asked[1]


def test_the_best_answer_counts_where_none_is_complete(
    space: SearchSpace, partition: Partition, archs: list[str]
) -> None:
    model = Scripted(space, archs[:1], archs[:2], archs[:1])
    told = opener_of(space, partition, model).open(4)
    assert [c.arch for c in told] == archs[:2]


def test_no_answer_at_all_is_an_error(space: SearchSpace, partition: Partition) -> None:
    with pytest.raises(CallFailed):
        opener_of(space, partition, Scripted(space)).open(3)


def test_one_niche_may_be_asked_for(
    space: SearchSpace, partition: Partition, archs: list[str]
) -> None:
    model = Scripted(space, archs[:2], archs[2:4])
    told = opener_of(space, partition, model).open(2, niche="N")
    assert {c.niche for c in told} == {"N"}
    assert "expected pool = avg or none" in model.asked[1]


def test_free_timings_are_shown_once(
    space: SearchSpace, partition: Partition, archs: list[str]
) -> None:
    def timed(asked: Sequence[str]) -> list[Timing | Failure]:
        first = Timing(arch=asked[0], median_ms=1.5, low_ms=1.5, high_ms=1.5)
        return [first, *(Failure(arch=a, stage="time", reason="no") for a in asked[1:])]

    model = Scripted(space, archs[:2], archs[2:4])
    told = opener_of(space, partition, model).open(2, timed=timed)
    assert [c.arch for c in told] == archs[2:4]
    assert len(model.asked) == 2
    assert "] 1.5 ms" in model.asked[1]
    assert "] does not run" in model.asked[1]
    other = Candidate(arch=archs[4], niche="", origin="zero-cost", reason="large for its time")
    seen = Scripted(space, archs[:2], archs[2:4])
    opener_of(space, partition, seen).open(2, seen=[other], timed=timed)
    assert "1.5 ms; large for its time" in seen.asked[0]
    steady = Scripted(space, archs[:2])
    assert [c.arch for c in opener_of(space, partition, steady).open(2, timed=timed)] == archs[:2]


def test_many_networks_are_asked_for_in_parts(space: SearchSpace, partition: Partition) -> None:
    rng = np.random.default_rng(2)
    many = list(dict.fromkeys(space.sample(rng) for _ in range(40)))[:20]
    model = Scripted(space, many[:12], many[12:])
    seen = (Candidate(arch=many[19], niche="M", origin="zero-cost", reason="synflow"),)
    told = opener_of(space, partition, model).open(20, seen=seen)
    assert [c.arch for c in told] == many
    assert "Networks you chose before" in model.asked[1]
    assert "synflow" in model.asked[0]


def test_the_same_question_can_be_asked_again(space: SearchSpace, partition: Partition) -> None:
    opener = opener_of(space, partition, Scripted(space))
    prints = {opener.request(3, turn=turn).fingerprint for turn in range(4)}
    assert len(prints) == 4
