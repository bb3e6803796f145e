"""Questions: what is understood, and that every answer is of the place asked about."""

from pathlib import Path

import pytest

from llm_nas.errors import RequestError
from llm_nas.knowledge.ask.query import Names, Query, query_of, understand
from llm_nas.knowledge.store import HeuristicStore
from tests.knowledge.world import (
    HERE,
    K1,
    PARTITION,
    SPACE,
    Board,
    claim,
    draw,
    latency_ms,
    lesson,
    measured,
    run_lesson,
)

NAMES = Names(spaces=("toy",), tasks=("photos", "drawings"), devices=("board", "edge-tpu"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> HeuristicStore:
    opened = HeuristicStore.open(tmp_path_factory.mktemp("s"), space=SPACE, partition=PARTITION)
    opened.learn(run_lesson(1, 60))
    opened.assess()
    return opened


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lower latency on board, lose less than 0.5 % accuracy",
         {"goal": "latency", "device": "board", "max_loss_pct": 0.5, "wanted": "rule"}),
        ("which network is most accurate under 2 ms?",
         {"goal": "accuracy", "max_latency_ms": 2.0, "wanted": "architecture"}),
        ("I need at least 60 % accuracy, as fast as possible",
         {"goal": "latency", "min_accuracy_pct": 60.0, "wanted": "architecture"}),
        ("make it faster without losing accuracy", {"goal": "latency", "max_loss_pct": 0.0}),
        ("fastest model within 500 us on the Edge TPU for drawings",
         {"max_latency_ms": 0.5, "device": "edge-tpu", "task": "drawings", "goal": "latency"}),
        ("how much latency does squeeze and excitation cost?",
         {"wanted": "number", "goal": "latency", "topic": "squeeze excitation"}),
        ("show the trade-off of accuracy and latency", {"goal": None, "wanted": "architecture"}),
        ("does kernel size matter for accuracy?", {"goal": "accuracy", "topic": "kernel size"}),
        ("smallest network under 3 M parameters", {"goal": "size", "max_params_m": 3.0}),
        ("hello", {"goal": None, "wanted": "rule", "topic": "hello"}),
    ],
)  # fmt: skip
def test_plain_patterns_read_a_question(text: str, expected: dict[str, object]) -> None:
    query = understand(text, SPACE, NAMES)
    assert {name: getattr(query, name) for name in expected} == expected


def test_flags_come_before_what_is_read() -> None:
    read = understand("accurate networks under 5 ms on board", SPACE, NAMES)
    both = query_of(goal="latency", max_latency_ms=2.0, device=None).over(read)
    assert (both.goal, both.max_latency_ms, both.device) == ("latency", 2.0, "board")
    with pytest.raises(RequestError, match="--goal 'speed'"):
        query_of(goal="speed")


def test_networks_are_within_the_limits_and_the_front_comes_first(store: HeuristicStore) -> None:
    answer = store.ask("most accurate network under 1.5 ms")
    rows = [m for m in store.trainings("toy", "photos", "short training") if m.latency_ms <= 1.5]
    assert answer.architectures[0].value == max(m.value for m in rows)
    assert all(n.latency_ms is not None and n.latency_ms <= 1.5 for n in answer.architectures)
    body = answer.model_dump(mode="json")
    assert set(body) == {"understood", "architectures", "claims", "notes"}
    assert body["architectures"][0]["accuracy_pct"] == answer.architectures[0].value
    fast = store.ask("fastest network with at least 75 % accuracy").architectures
    assert fast[0].latency_ms == min(
        m.latency_ms for m in store.trainings("toy", "photos", "short training") if m.value >= 75
    )
    none = store.ask("which network reaches 99.9 % accuracy?")
    assert none.architectures == ()
    assert any("no trained network meets that; nearest" in note for note in none.notes)


def test_a_trained_network_is_answered_with_itself(store: HeuristicStore) -> None:
    """Fault: a question for a network was answered with rules."""
    known = store.trainings("toy", "photos", "short training")[3]
    answer = store.ask(f"how accurate is {known.arch}?")
    assert [(n.arch, n.value) for n in answer.architectures] == [(known.arch, known.value)]
    other = next(
        a
        for a in draw(200, 99)
        if a not in {m.arch for m in store.trainings("toy", "photos", "short training")}
    )
    assert any("was not trained here" in note for note in store.ask(f"how fast is {other}?").notes)


def test_which_accuracy_is_meant_is_said(store: HeuristicStore) -> None:
    """Fault: a floor was compared with predicted validation accuracy and nobody said so."""
    for text in ("at least 75 % accuracy, please", "what raises accuracy?"):
        notes = store.ask(text).notes
        assert any("validation data of photos as trained by short training" in n for n in notes)


def test_milliseconds_are_never_another_devices(store: HeuristicStore) -> None:
    """Fault: for an unseen device other devices' milliseconds were quoted as its effects."""
    unknown = store.ask("what lowers latency?", query=Query(device="jetson"))
    assert all(c.objective != "latency" for c in unknown.claims)
    assert any("nothing is known of device 'jetson'" in note for note in unknown.notes)
    told = store.ask("what lowers latency?", device=Board(), k=50).claims
    pool = next(c for c in told if c.statement.startswith("op = pool"))
    # The board here is slow at pooling, all others are fast.
    assert pool.effect == pytest.approx(2.0)
    assert (pool.unit, pool.advice) == ("ms", "avoid")
    best = store.ask("fastest network with at least 70 % accuracy", device=Board())
    assert best.architectures[0].latency_ms == 1.0
    assert best.architectures[0].device == "board2"


def test_rules_follow_goal_topic_and_allowed_loss(store: HeuristicStore) -> None:
    kernel = store.ask("how much does kernel size k1 matter for accuracy?").claims
    assert kernel
    assert all("k1" in c.statement for c in kernel)
    for finding in store.ask("what raises accuracy?").claims:
        assert finding.advice == ("use" if finding.effect > 0 else "avoid")
    free = store.ask("lower latency without losing accuracy", k=50).claims
    assert free
    for finding in free:
        assert finding.accuracy_effect is not None
        change = finding.accuracy_effect * (1 if finding.advice == "use" else -1)
        assert change >= 0
    size = store.ask("how do I make networks smaller?").claims[0]
    assert size.unit == "M parameters"


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    with HeuristicStore.open(tmp_path, space=SPACE) as empty:
        assert any("nothing here" in note for note in empty.ask("what is fast?").notes)


def test_explain_tells_trainings_claims_and_neighbours(store: HeuristicStore) -> None:
    row = next(
        m
        for m in store.trainings("toy", "photos", "short training")
        if SPACE.values(m.arch)["k1"] == 7
    )
    story = store.explain(row.arch)
    assert (story.trained[0].value, story.trained[0].run) == (row.value, "run1")
    assert "k1 at least 7 raises accuracy (photos)" in {h.claim.statement for h in story.claims}
    assert row.latency_ms == latency_ms(row.arch)
    with pytest.raises(RequestError):
        store.explain("k1=99")


def test_near_duplicates_are_found_by_meaning_and_compared_on_networks(tmp_path: Path) -> None:
    again = claim(K1.model_copy(update={"value": 6.5}))
    with HeuristicStore.open(tmp_path, space=SPACE) as store:
        store.learn(lesson(measured(draw(20, 1)), [claim(K1), again], context=HERE))
        store.assess()
        assert [(t.id, t.overlap) for t in store.twins(claim(K1).key)] == [(again.key, 1.0)]
