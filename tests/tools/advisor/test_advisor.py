"""The advisor in a world whose truth is known."""
# pyright: reportPrivateUsage=false

import numpy as np
import pytest

from llm_nas.domain import Candidate, Limits
from llm_nas.ports import History
from llm_nas.tools.accuracy.process import Belief
from llm_nas.tools.advisor.improvement import staircase
from llm_nas.tools.advisor.opening import uniform
from llm_nas.tools.advisor.pool import CACHED, Described
from llm_nas.tools.advisor.reference import reference_of
from llm_nas.tools.advisor.targets import log_above
from llm_nas.tools.spaces import open_space
from tests.tools.advisor.toy import ERROR, World, toy_space


def hypervolume(history: History, latency: float, error: float) -> float:
    front = staircase(
        np.array([m.latency_ms for m in history.measured]),
        np.array([m.value for m in history.measured]),
    )
    ends = np.append(front.latency_ms[1:], latency)
    widths = np.clip(np.minimum(ends, latency) - front.latency_ms, 0, None)
    return float(widths @ np.clip(error - front.error, 0, None))


def archs(candidates: tuple[Candidate, ...]) -> list[str]:
    return [c.arch for c in candidates]


def test_it_beats_chance_by_far() -> None:
    world = World()
    advised = world.searched(world.advisor(), 30)
    rng = np.random.default_rng(1)
    drawn = World().advisor(opening="random").open(30, rng)
    random = History(measured=world.trained(drawn))
    assert hypervolume(advised, 10.0, 60.0) > 1.05 * hypervolume(random, 10.0, 60.0)


def test_equal_generators_give_equal_plans() -> None:
    def plans() -> list[str]:
        world = World()
        return [m.arch for m in world.searched(world.advisor(), 18, seed=3).measured]

    assert plans() == plans()


def test_an_easy_task_is_searched_like_a_hard_one() -> None:
    """Errors of .2 to .6 % are told apart as well as those of 20 to 60 %."""
    hard, easy = World(), World(least=0.2, extent=0.4)
    found = [m.arch for m in hard.searched(hard.advisor(), 18).measured]
    same = [m.arch for m in easy.searched(easy.advisor(), 18).measured]
    assert len(set(same)) == 18
    assert found == same


@pytest.mark.parametrize(("factor", "shift"), [(0.01, 0.0), (1.0, -19.9), (1e-3, 5.0)])
def test_moving_and_stretching_errors_changes_no_target(factor: float, shift: float) -> None:
    errors = np.array([20.0, 20.1, 21.0, 25.0, 60.0])
    moved = factor * errors + shift
    there = log_above(moved).targets(moved)
    assert np.allclose(there - np.log(factor), log_above(errors).targets(errors), atol=1e-8)


def test_perfect_networks_are_no_obstacle() -> None:
    world = World(least=0.0, extent=0.0)
    history = History(measured=world.trained(world.advisor().open(12, np.random.default_rng(0))))
    assert {m.value for m in history.measured} == {0.0}
    assert world.advisor().plan(history, 6, np.random.default_rng(0))


def test_the_expected_error_is_the_mean_not_the_median() -> None:
    scale = log_above(np.array([10.0, 12.0, 20.0]))
    rng = np.random.default_rng(0)
    draws = scale.floor + np.exp(0.5 + 0.8 * rng.standard_normal(200_000))
    assert scale.means(np.array([0.5]), np.array([0.64]))[0] == pytest.approx(
        draws.mean(), rel=0.01
    )


def test_what_is_beyond_the_observed_slow_end_is_looked_at() -> None:
    """The observed front ends at 3 ms; better networks are believed to lie at 9 ms."""
    archs = tuple(str(i) for i in range(4))
    latency = np.array([1.0, 2.0, 6.0, 9.0])
    pool = Described(archs, np.zeros((4, 1)), latency, np.zeros(4), np.ones(4))
    belief = Belief(np.log([9.0, 5.0, 3.0, 2.5]), np.full(4, 1e-4), np.zeros((1, 4)))
    reference = reference_of(
        np.array([1.0, 2.0, 3.0]), np.array([9.0, 6.0, 4.0]), np.inf, pool, belief
    )
    assert reference.latency_ms > 9.0


def test_a_heavy_tailed_device_is_searched_to_its_slow_end() -> None:
    """From a random start; with a reference that follows the observed front alone it is .1."""
    world = World(tail=4.0)
    widest = [f"w{i}=8" for i in range(8)]
    widest += [f"k{i}={5 if i < 4 else 3}" for i in range(8)]
    (slowest,) = world.latencies([" ".join(widest)])
    reached: list[float] = []
    for seed in range(3):
        measured = world.searched(world.advisor(opening="random"), 42, seed).measured
        reached.append(min(measured, key=lambda m: m.value).latency_ms / slowest)
    assert np.mean(reached) > 0.25


def test_hard_limits_hold() -> None:
    world = World()
    limits = Limits(max_latency_ms=3.0, max_macs_m=2.5)
    history = world.searched(world.advisor(limits=limits), 18)
    assert max(m.latency_ms for m in history.measured) <= 2.5


def test_pending_networks_are_believed_and_not_chosen_again() -> None:
    world = World()
    advisor = world.advisor()
    history = History(measured=world.trained(advisor.open(12, np.random.default_rng(0))))
    first = archs(advisor.plan(history, 6, np.random.default_rng(1)))
    waiting = History(measured=history.measured, pending=tuple(first))
    second = archs(advisor.plan(waiting, 6, np.random.default_rng(1)))
    assert not set(first) & set(second)
    # Chosen one by one, the batch is the same as when each choice was pending.
    one = archs(advisor.plan(history, 1, np.random.default_rng(1)))
    assert one[0] == first[0]


def test_what_designers_offer_is_among_the_candidates() -> None:
    world = World()
    advisor = world.advisor()
    history = History(measured=world.trained(advisor.open(12, np.random.default_rng(0))))
    first = advisor.plan(history, 1, np.random.default_rng(2))[0]
    offer = first.model_copy(update={"origin": "a model", "operator": "model", "reason": "wide"})
    offered = History(measured=history.measured, offered=(offer,))
    chosen = {c.arch: c for c in advisor.plan(offered, 60, np.random.default_rng(2))}
    assert chosen[first.arch].origin == "a model"
    assert chosen[first.arch].reason == "wide"


def test_a_part_of_the_opening_does_not_trust_the_score() -> None:
    def doubting(hedged: float | None) -> int:
        opening = World().advisor(hedged=hedged).open(12, np.random.default_rng(0))
        return sum(c.operator != "front" for c in opening)

    assert (doubting(None), doubting(0.0), doubting(0.5)) == (1, 0, 6)


def test_every_candidate_says_why_and_how_much() -> None:
    world = World()
    advisor = world.advisor()
    opening = advisor.open(12, np.random.default_rng(0))
    assert {c.origin for c in opening} <= {"zero-cost", "random"}
    assert {c.niche for c in opening} == {"small", "large"}
    history = History(measured=world.trained(opening))
    planned = advisor.plan(history, 6, np.random.default_rng(0))
    assert all(c.reason and c.gain is not None and c.gain > 0.0 for c in planned)
    known = advisor.gains(history, archs(planned))
    assert np.isfinite(known).all()
    assert known[0] > 0.0
    assert np.isnan(advisor.gains(History(), archs(planned))).all()


def test_a_score_that_misleads_is_told_and_dropped() -> None:
    world = World()
    advisor = world.advisor()
    measured = world.trained(advisor.open(12, np.random.default_rng(0)))
    (verdict,) = advisor.sources(History(measured=measured))
    assert verdict.kept
    assert verdict.rank_correlation is not None
    assert verdict.rank_correlation > 0.8
    liars = tuple(m.model_copy(update={"value": 100.0 - m.value}) for m in measured)
    (verdict,) = advisor.sources(History(measured=liars))
    assert not verdict.kept


def test_a_huge_space_costs_no_memory() -> None:
    world = World(space=toy_space(45))
    assert world.space.log10_size > 40
    advisor = world.advisor(opening="random")
    history = world.searched(advisor, 18)
    assert len(history.measured) == 18
    assert len(advisor._catalogue._features) <= CACHED


def test_what_is_expected_of_places_not_looked_at() -> None:
    world = World()
    advisor = world.advisor()
    history = world.searched(advisor, 24)
    front = advisor.expected_front(history, np.random.default_rng(0))
    assert [p.latency_ms for p in front] == sorted(p.latency_ms for p in front)
    error = world.errors([p.arch for p in front])
    assert np.corrcoef(error, [p.error for p in front])[0, 1] > 0.9
    assert set(advisor.doubts(history, np.random.default_rng(0))) == {"small", "large"}
    assert ERROR.error(3.0) == 3.0


def test_a_larger_hedge_holds_networks_that_repeat_one_kind_of_block() -> None:
    space = open_space("anb")
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = space.values(uniform(space, rng))  # type: ignore[arg-type]
        for group in ("e", "k", "se"):
            assert len({values[name] for name in space.groups[group]}) == 1
