"""The model agents over HTTP: request in, candidates and claims out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.model import ModelAgents, open_agents
from llm_nas.agents.validator import SpaceValidator
from llm_nas.claims import Heuristic
from llm_nas.domain import ACCURACY, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.ports import NicheView, Partition, SearchSpace
from tests.agents.openai_server import (
    Answer,
    Asked,
    OpenAIServer,
    completion,
    failure,
    valid_nonsense,
)


def agents_of(
    server: OpenAIServer, space: SearchSpace, partition: Partition, options: ModelOptions
) -> ModelAgents:
    request = SearchRequest(task="digits", device="pixel3", model="stub", base_url=server.base_url)
    return open_agents(request, space, partition, metric=ACCURACY, options=options)


def test_designer_answers_inside_its_niche(
    space: SearchSpace,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    options: ModelOptions,
) -> None:
    with OpenAIServer(valid_nonsense) as server:
        agents = agents_of(server, space, partition, options)
        candidates = agents.designer.propose(view, heuristics, np.random.default_rng(1))
    assert len(candidates) == 4
    verdicts = SpaceValidator(space, partition).check("N", candidates, {})
    assert {v.decision for v in verdicts} <= {"accepted", "repaired"}
    assert {c.niche for c in candidates} == {"N"}
    assert all(c.claims == ("a1", "b2") and c.origin == "stub" for c in candidates)
    spend = agents.governor.snapshot()["designer"]
    assert (spend.calls, spend.tokens_in, spend.tokens_out, spend.usd) == (1, 100, 50, None)
    assert spend.seconds > 0


def test_networks_outside_a_niche_are_asked_for_again_and_then_brought_inside(
    space: SearchSpace, by_size: Partition, view: NicheView, options: ModelOptions
) -> None:
    """No schema holds a quantity: the model is told its number, the Validator does the rest."""
    small = "k1=3 k2=3 k3=3 e1=1 e2=1 e3=1 pool=none width=64"
    answer = json.dumps({"plan": "", "networks": [{"reason": "r", "arch": small}]})
    place = replace(view, niche=by_size.niches[2], archive=())
    with OpenAIServer(lambda asked: completion(answer)) as server:
        designer = agents_of(server, space, by_size, options).designer
        told = designer.propose(place, (), np.random.default_rng(0))
    assert len(server.asked) == 1 + options.repairs
    assert "macs_m is 172.8, expected" in server.asked[1].body["messages"][-1]["content"]
    verdict = SpaceValidator(space, by_size).check("L", told, {})[0]
    assert (verdict.kind, verdict.candidate.origin) == ("repaired", "stub")


def test_analyst_answers_with_typed_claims_and_votes(
    space: SearchSpace,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    options: ModelOptions,
) -> None:
    with OpenAIServer(valid_nonsense) as server:
        analysis = agents_of(server, space, partition, options).analyst.study(view, heuristics)
        prompt = server.asked[0].body["messages"][1]["content"]
    assert analysis.claims
    for claim in analysis.claims:
        assert claim.statement
        assert (claim.origin.source, claim.scope.space) == ("stub", "toy")
        assert 0 < len(claim.origin.archs) < len(view.measured)
    assert len(analysis.claims[0].origin.archs) >= prompt.count(" ms\n") - 1
    assert set(analysis.keep) | set(analysis.retire) <= {"a1", "b2"}
    assert not set(analysis.keep) & set(analysis.retire)


def test_analyst_asks_nothing_where_nothing_is_new(
    space: SearchSpace, partition: Partition, view: NicheView, options: ModelOptions
) -> None:
    with OpenAIServer(valid_nonsense) as server:
        agents = agents_of(server, space, partition, options)
        assert agents.analyst.study(replace(view, measured=()), ()).claims == ()
        assert agents.analyst.study(replace(view, generation=2), ()).claims == ()
    assert agents.governor.cost().calls == 0


def test_roles_may_use_different_models(
    space: SearchSpace, partition: Partition, view: NicheView
) -> None:
    names: list[str] = []

    def script(asked: Asked) -> Answer:
        names.append(asked.body["model"])
        return valid_nonsense(asked)

    with OpenAIServer(script) as server:
        options = ModelOptions(analyst_model="small", designer_model="openai:large")
        agents = agents_of(server, space, partition, options)
        agents.analyst.study(view, ())
        agents.designer.propose(view, (), np.random.default_rng(0))
        agents.opener.open(2)
    assert names == ["small", "large", "large"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt", "expected 'openai:NAME'"),
        ("openai:gpt-4.1", "set OPENAI_API_KEY"),
        ("anthropic:claude", "llm-nas[providers]"),
        ("manual:", "manual:DIR"),
    ],
)
def test_a_model_that_cannot_be_used_is_a_bad_request(
    space: SearchSpace, partition: Partition, model: str, told: str
) -> None:
    with pytest.raises(RequestError) as caught:
        open_agents(SearchRequest(model=model), space, partition, metric=ACCURACY)
    assert told in str(caught.value)


@pytest.mark.parametrize("seed", range(3))
def test_a_fifth_of_failing_calls_costs_no_answer(
    space: SearchSpace, partition: Partition, view: NicheView, options: ModelOptions, seed: int
) -> None:
    """Rate limits, errors and broken bodies at random; every attempt is counted."""
    rng = np.random.default_rng(seed)
    faults = [failure(429), failure(500), Answer(cut="at once"), completion(""), completion("?")]

    def script(asked: Asked) -> Answer:
        broken = rng.random() < 0.2
        return faults[asked.number % len(faults)] if broken else valid_nonsense(asked)

    with OpenAIServer(script) as server:
        agents = agents_of(server, space, partition, options)
        for generation in range(1, 13):
            place = replace(view, generation=generation)
            assert agents.designer.propose(place, (), np.random.default_rng(0))
        usage = agents.governor.snapshot()["designer"]
        assert usage.calls == len(server.asked)
    assert usage.failures + usage.repairs > 0


def test_a_run_is_replayed_to_the_bit(
    space: SearchSpace, partition: Partition, view: NicheView, tmp_path: Path
) -> None:
    """Failures, repairs, tokens and all."""
    rng = np.random.default_rng(0)

    def script(asked: Asked) -> Answer:
        return failure(500) if rng.random() < 0.3 else valid_nonsense(asked)

    def told(agents: ModelAgents) -> object:
        views = [replace(view, generation=g) for g in range(1, 5)]
        rngs = np.random.default_rng(0)
        opened = agents.opener.open(6)
        proposed = [agents.designer.propose(v, (), rngs) for v in views]
        usage = agents.governor.snapshot()["designer"].model_copy(update={"seconds": 0.0})
        return opened, proposed, agents.analyst.study(view, ()), usage

    tape = tmp_path / "tape.jsonl"
    with OpenAIServer(script) as server:
        base = ModelOptions(backoff_s=0.001, record=tape)
        first = told(agents_of(server, space, partition, base))
        again = ModelOptions(replay=tape, backoff_s=30.0)
        asked = len(server.asked)
        assert told(agents_of(server, space, partition, again)) == first
        assert len(server.asked) == asked
