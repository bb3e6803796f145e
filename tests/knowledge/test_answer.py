"""Questions answered from evidence: limits, advice, examples, near duplicates; no model."""

from collections.abc import Callable

import pytest

from llm_nas.claims import Claim, OpAt, OpCount
from llm_nas.errors import RequestError
from llm_nas.knowledge.answer_text import answer_text
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson

ClaimMaker = Callable[..., Claim]
LessonMaker = Callable[..., Lesson]

CONV = OpAt(edge="3>4", op="nor_conv_3x3")
SKIP = OpAt(edge="3>4", op="skip_connect")
POOL = OpAt(edge="3>4", op="avg_pool_3x3")


@pytest.fixture
def taught(store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker) -> HeuristicStore:
    """Skip and pool lower latency, pool at more cost of accuracy; conv is slow and good."""
    claims = (
        claim(CONV, devices=("edgegpu",)),
        claim(SKIP, direction="lowers", devices=("edgegpu",)),
        claim(POOL, direction="lowers", devices=("edgegpu",)),
    )
    store.learn(lesson(*claims, cells=150))
    return store


def test_claims_that_break_a_limit_are_left_out_and_said(
    taught: HeuristicStore, claim: ClaimMaker
) -> None:
    free = taught.ask("lower latency on edgegpu")
    assert [f.advice for f in free.findings].count("avoid") == 1
    skip = claim(SKIP, direction="lowers", devices=("edgegpu",)).key
    pool = claim(POOL, direction="lowers", devices=("edgegpu",)).key
    assert {skip, pool} <= {f.heuristic.id for f in free.findings}
    tight = taught.ask("lower latency on edgegpu, lose less than 1.5 % accuracy")
    kept = {f.heuristic.id: f for f in tight.findings}
    assert skip in kept
    assert pool not in kept
    assert any("left out" in note for note in tight.notes)
    latency, accuracy = kept[skip].effects
    assert (latency.objective, accuracy.objective) == ("latency", "accuracy")
    assert latency.mean < 0
    assert accuracy.mean >= -1.5
    assert accuracy.basis == "cells"
    assert latency.basis == f"claim {skip}"


def test_avoiding_a_slow_operation_is_advice_with_the_signs_turned(
    taught: HeuristicStore, claim: ClaimMaker
) -> None:
    conv = claim(CONV, devices=("edgegpu",)).key
    found = {f.heuristic.id: f for f in taught.ask("lower latency on edgegpu").findings}[conv]
    evidence = found.heuristic.evidence
    assert found.advice == "avoid"
    assert found.effects[0].mean == -evidence.mean_effect
    assert (found.effects[0].low, found.effects[0].high) == (-evidence.high, -evidence.low)
    assert found.effects[0].n_for == evidence.n_for
    assert all("nor_conv_3x3~2|" not in seen.arch[-16:] for seen in found.examples)


def test_examples_are_measured_and_keep_within_value_limits(taught: HeuristicStore) -> None:
    answer = taught.ask("latency under 6 ms on edgegpu, at least 65 % accuracy")
    examples = [seen for f in answer.findings for seen in f.examples]
    assert examples
    assert all(s.latency_ms <= 6 and s.predicted_accuracy_pct >= 65 for s in examples)


def test_side_effects_cite_a_claim_where_one_says_them(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    cost = claim(POOL, objective="accuracy", direction="lowers")
    store.learn(lesson(claim(POOL, direction="lowers"), cost, cells=150))
    (found,) = store.ask("lower latency", k=1).findings
    accuracy = found.effects[1]
    assert accuracy.basis == f"claim {cost.key}"
    evidence = store.show(cost.key).evidence
    assert accuracy.mean == evidence.mean_effect
    assert (accuracy.n_for, accuracy.n_against) == (evidence.n_for, evidence.n_against)


def test_near_duplicates_are_folded_and_named(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    near = claim(OpCount(op="none", relation="le", count=4), direction="raises")
    wide = claim(OpCount(op="none", relation="le", count=3), direction="raises")
    other = claim(OpCount(op="none", relation="le", count=1), direction="raises")
    store.learn(lesson(near, wide, other, cells=150))
    answer = store.ask("slower cells", k=5)
    shown = {f.heuristic.id: f for f in answer.findings}
    assert len(shown) == 2
    assert other.key in shown
    (twin,) = next(f for f in answer.findings if f.twins).twins
    assert twin.id in {near.key, wide.key}
    assert 0.95 <= twin.overlap < 1
    assert "also known as" in answer_text(answer).plain
    assert [t.id for t in store.twins(near.key)] == [wide.key]
    assert store.twins(other.key) == ()


def test_claims_equal_by_their_cells_are_also_known_as(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    first = claim(OpCount(op="none", relation="ge", count=5), direction="lowers")
    same = claim(OpCount(op="none", relation="eq", count=5), direction="lowers")
    store.learn(lesson(claim(), cells=40))
    store.learn(lesson(first, same, cells=40, generation=1))
    twins = store.twins(first.key)
    assert [(t.id, t.overlap) for t in twins] == [(same.key, 1.0)]


def test_places_without_any_measurement_are_said(taught: HeuristicStore) -> None:
    (note,) = taught.ask("lower latency on fpga").notes
    assert note == "nothing is known of fpga yet: only claims about any device count"
    assert taught.ask("faster", device="toaster").notes


def test_bad_questions_are_refused_in_one_line(taught: HeuristicStore) -> None:
    for text, k in ((" ", 5), ("faster", 0)):
        with pytest.raises(RequestError):
            taught.ask(text, k=k)
