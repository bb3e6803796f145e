"""The two model agents over HTTP: request in, proposals and claims out."""

import numpy as np
import pytest

from llm_nas.agents.model.open import model_agents
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.claims import Heuristic
from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.ports import NicheView, Partition, SearchSpace
from tests.agents.openai_server import Answer, Asked, OpenAIServer, valid_nonsense


def request_for(server: OpenAIServer, model: str = "stub") -> SearchRequest:
    return SearchRequest(
        dataset="cifar10", device="edgegpu", model=model, base_url=server.base_url
    )


def test_designer_answers_inside_its_niche(
    space: SearchSpace,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    options: ModelOptions,
) -> None:
    with OpenAIServer(valid_nonsense) as server:
        _, designer, usage = model_agents(request_for(server), space, partition, options=options)
        proposals = designer.propose(view, heuristics, np.random.default_rng(1))
    assert len(proposals) == 4
    assert {partition.niche_of(space.parse(p.arch)) for p in proposals} == {"S3"}
    assert {p.operator for p in proposals} <= {"crossover", "mutation"}
    assert all(set(p.parents) <= {m.arch for m in view.archive} for p in proposals)
    assert all(p.heuristics == ("a1", "b2") and p.source == "stub" for p in proposals)
    spend = usage.snapshot()["designer"]
    assert (spend.calls, spend.tokens_in, spend.tokens_out, spend.usd) == (1, 100, 50, None)


def test_analyst_answers_with_typed_claims_and_votes(
    space: SearchSpace,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    options: ModelOptions,
) -> None:
    with OpenAIServer(valid_nonsense) as server:
        analyst, _, _ = model_agents(request_for(server), space, partition, options=options)
        analysis = analyst.study(view, heuristics)
    for claim in analysis.claims:
        assert claim.statement
        assert claim.origin.source == "stub"
        assert claim.scope.space == space.name
    assert set(analysis.keep) | set(analysis.retire) <= {"a1", "b2"}
    assert not set(analysis.keep) & set(analysis.retire)


def test_analyst_asks_nothing_about_an_empty_niche(
    space: SearchSpace, partition: Partition, view: NicheView, options: ModelOptions
) -> None:
    from dataclasses import replace

    with OpenAIServer(valid_nonsense) as server:
        analyst, _, usage = model_agents(request_for(server), space, partition, options=options)
        assert analyst.study(replace(view, measured=()), ()).claims == ()
    assert usage.cost().calls == 0


def test_roles_may_use_different_models(
    space: SearchSpace, partition: Partition, view: NicheView
) -> None:
    names: list[str] = []

    def script(asked: Asked) -> Answer:
        names.append(asked.body["model"])
        return valid_nonsense(asked)

    with OpenAIServer(script) as server:
        options = ModelOptions(analyst_model="small", designer_model="openai:large")
        analyst, designer, _ = model_agents(request_for(server), space, partition, options=options)
        analyst.study(view, ())
        designer.propose(view, (), np.random.default_rng(0))
    assert names == ["small", "large"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt", "expected 'openai:NAME'"),
        ("openai:gpt-4.1", "set OPENAI_API_KEY"),
        ("anthropic:claude", "llm-nas[providers]"),
    ],
)
def test_a_model_that_cannot_be_used_is_a_bad_request(
    space: SearchSpace, partition: Partition, model: str, told: str
) -> None:
    request = SearchRequest(dataset="cifar10", device="edgegpu", model=model)
    with pytest.raises(RequestError) as caught:
        model_agents(request, space, partition)
    assert told in str(caught.value)
