"""The agents without a language model: real networks in, candidates and claims out."""

from dataclasses import replace

import numpy as np
import pytest

from llm_nas.agents.offline.analyst import MOST_CLAIMS, OfflineAnalyst, is_shown
from llm_nas.agents.offline.designer import OfflineDesigner
from llm_nas.agents.offline.effects import CONTROL, apparent_effects, simple_conditions
from llm_nas.claims import Heuristic
from llm_nas.conditions import AllOf, Bound, Count, Is, leaves, matches
from llm_nas.domain import ACCURACY, PERPLEXITY, Candidate, Failure, Metric, Niche
from llm_nas.ports import NicheView, Partition, SearchSpace
from llm_nas.tools.niches import ConditionPartition, open_partition
from llm_nas.tools.spaces import open_space
from llm_nas.tools.spaces.moves import NicheMoves
from llm_nas.tools.spaces.space import Space


@pytest.fixture
def designer(space: SearchSpace, partition: Partition) -> OfflineDesigner:
    return OfflineDesigner(space, NicheMoves(space, partition))


def test_the_advisors_choices_come_first(
    designer: OfflineDesigner, space: SearchSpace, view: NicheView
) -> None:
    rng = np.random.default_rng(1)
    fresh = space.sample(rng, view.niche.condition)
    chosen = Candidate(arch=fresh, niche="N", origin="advisor", reason="gain", gain=0.5)
    stale = Candidate(arch=view.archive[0].arch, niche="N", origin="advisor")
    told = designer.propose(replace(view, slots=3, suggestions=(stale, chosen)), (), rng)
    assert told[0] == chosen
    assert len(told) == 3
    assert stale not in told


@pytest.mark.parametrize("archived", [0, 1, 3])
def test_children_are_new_and_in_their_niche(
    designer: OfflineDesigner,
    space: SearchSpace,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    archived: int,
) -> None:
    place = replace(view, slots=8, archive=view.archive[:archived])
    told = designer.propose(place, heuristics, np.random.default_rng(3))
    assert len({space.twin(c.arch) for c in told}) == 8
    assert not {c.arch for c in told} & {m.arch for m in view.measured}
    assert all(matches(view.niche.condition, space.facts(c.arch)) for c in told)
    expected = {0: {"sample"}, 1: {"mutation"}, 3: {"mutation", "crossover"}}[archived]
    assert {c.operator for c in told} == expected
    assert all(c.claims == ("a1", "b2") and c.origin == "offline" for c in told)
    again = designer.propose(place, heuristics, np.random.default_rng(3))
    assert told == again


def test_what_failed_is_not_proposed_again_and_small_niches_end(
    space: SearchSpace, view: NicheView
) -> None:
    only = Is(choice="width", values=(16,))
    fixed = [Is(choice=f"{c}{i}", values=(v,)) for c, v in (("k", 3), ("e", 1)) for i in (1, 2, 3)]
    tiny = AllOf(parts=(only, *fixed))
    niche = Niche(id="T", rule="tiny", condition=tiny)
    moves = NicheMoves(space, ConditionPartition("tiny", space, [niche]))
    broken = (
        Failure(arch=space.sample(np.random.default_rng(0), tiny), stage="build", reason="no"),
    )
    place = replace(view, niche=niche, slots=9, archive=(), measured=(), broken=broken)
    told = OfflineDesigner(space, moves).propose(place, (), np.random.default_rng(0))
    assert 1 <= len(told) <= 4
    assert broken[0].arch not in {c.arch for c in told}


def test_supported_heuristics_shift_the_draw(
    designer: OfflineDesigner,
    space: SearchSpace,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
) -> None:
    """A supported claim that kernels of 7 are slow makes them rarer."""
    place = replace(view, slots=120, archive=())
    counts: list[int] = []
    for shown in ((), heuristics[:1]):
        told = designer.propose(place, shown, np.random.default_rng(5))
        condition = heuristics[0].claim.condition
        counts.append(sum(matches(condition, space.facts(c.arch)) for c in told))
    assert counts[1] < counts[0]


def test_a_restrained_designer_draws_afresh(designer: OfflineDesigner, view: NicheView) -> None:
    told = designer.propose(replace(view, restrained=("offline",)), (), np.random.default_rng(2))
    assert {c.operator for c in told} == {"sample"}


def test_effects_are_differences_of_means(space: Space, view: NicheView) -> None:
    """Latency rises with width by construction, and the numbers are those of a slow twin."""
    effects = apparent_effects(space, view.measured, ACCURACY, space.facts)
    by_latency = [e for e in effects if e.objective == "latency"]
    assert by_latency[0].topic == "macs_m"
    assert by_latency[0].size > 0
    for effect in effects[:6]:
        met = [matches(effect.condition, space.facts(m.arch)) for m in view.measured]
        values = [
            m.value if effect.objective == "accuracy" else m.latency_ms for m in view.measured
        ]
        groups = [
            [v for v, m in zip(values, met, strict=True) if m is side] for side in (True, False)
        ]
        assert effect.size == pytest.approx(np.mean(groups[0]) - np.mean(groups[1]))
        noise = sum(np.var(g, ddof=1) / len(g) for g in groups)
        assert effect.clarity == pytest.approx(abs(effect.size) / np.sqrt(noise))


def test_conditions_speak_of_every_choice_and_never_of_chance(space: Space) -> None:
    rng = np.random.default_rng(0)
    facts = [space.facts(space.sample(rng)) for _ in range(40)]
    told = list(simple_conditions(space, facts))
    asked = {topic.split()[0] for topic, _ in told}
    assert asked == {*(c.name for c in space.choices), *space.groups, "macs_m"}
    assert CONTROL not in asked
    assert Bound(choice="k1", relation="ge", value=5) in [c for _, c in told]
    assert Count(group="kernels", values=(7,), relation="ge", count=1) in [c for _, c in told]


def test_an_analyst_proposes_what_it_saw_and_leaves_a_half_to_test_it(
    space: Space, partition: ConditionPartition, view: NicheView
) -> None:
    analysis = OfflineAnalyst(space).study(view, ())
    assert 0 < len(analysis.claims) <= MOST_CLAIMS
    seen = {m.arch for m in view.measured if is_shown(m.arch)}
    assert 0.2 < len(seen) / len(view.measured) < 0.8
    for claim in analysis.claims:
        assert set(claim.origin.archs) == seen
        assert claim.scope.space == "toy"
        assert (claim.scope.devices == ("pixel3",)) == (claim.effect.objective == "latency")
        assert (claim.scope.tasks == ("digits",)) == (claim.effect.objective == "accuracy")
    slow = [c for c in analysis.claims if c.effect.objective == "latency"]
    assert slow[0].effect.direction == "raises"
    known = frozenset(c.key for c in analysis.claims)
    later = OfflineAnalyst(space).study(replace(view, known_claims=known), ())
    assert not known & {c.key for c in later.claims}


def test_few_networks_say_nothing(space: Space, view: NicheView) -> None:
    analysis = OfflineAnalyst(space).study(replace(view, measured=view.measured[:6]), ())
    assert analysis.claims == ()
    assert "too few" in analysis.note


@pytest.mark.parametrize("metric", [ACCURACY, PERPLEXITY], ids=lambda m: m.name)
def test_accuracy_goes_up_whichever_way_the_metric_turns(
    space: Space, view: NicheView, metric: Metric
) -> None:
    effects = apparent_effects(space, view.measured, metric, space.facts)
    best = next(e for e in effects if e.objective == "accuracy" and e.topic == "kernels 7")
    assert (best.size > 0) is metric.higher_is_better


@pytest.mark.parametrize("name", ["nb201", "anb", "hwgpt-s"])
def test_any_space_will_do(name: str, view: NicheView) -> None:
    space = open_space(name)
    partition = open_partition(None, space)
    rng = np.random.default_rng(1)
    measured = tuple(
        view.measured[i].model_copy(
            update={"arch": space.sample(rng, n.condition), "niche": n.id, "value": 50.0 + i}
        )
        for i, n in enumerate(partition.niches * 5)
    )
    place = replace(
        view, niche=partition.niches[1], measured=measured, archive=measured[1:2], slots=4
    )
    told = OfflineDesigner(space, NicheMoves(space, partition)).propose(place, (), rng)
    assert {partition.niche_of(c.arch) for c in told} == {partition.niches[1].id}
    for claim in OfflineAnalyst(space).study(place, ()).claims:
        assert all(part.kind != "anything" for part, _ in leaves(claim.condition))
