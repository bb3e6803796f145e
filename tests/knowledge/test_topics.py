"""Questions about an operation or an edge are answered with claims about it, or with none."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_nas.claims import AllOf, Claim, Not, OpAt, OpCount
from llm_nas.knowledge.query import Topic
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.knowledge.topics import read
from llm_nas.ports import Lesson
from llm_nas.tools.space import nas_bench_201

ClaimMaker = Callable[..., Claim]
LessonMaker = Callable[..., Lesson]

OPERATIONS, EDGES = nas_bench_201().operations, nas_bench_201().edges
CONV = OpAt(edge="3>4", op="nor_conv_3x3")
SKIP = OpAt(edge="3>4", op="skip_connect")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("is a 3x3 convolution good?", "nor_conv_3x3"),
        ("conv 1x1 or conv 3x3", "nor_conv_3x3, nor_conv_1x1"),
        ("do convolutions help", "nor_conv_3x3, nor_conv_1x1"),
        ("why is average pooling bad on edge 3>4", "avg_pool_3x3 on edge 3>4"),
        ("3x3 pooling", "avg_pool_3x3"),
        ("what do skip connections do", "skip_connect"),
        ("shortcuts from edge 1 to 4", "skip_connect on edge 1>4"),
        ("none on edges 1->2 and 2 -> 3", "none on edge 1>2, 2>3"),
        ("what belongs on the edge from the input to the output", "edge 1>4"),
        ("does a shortcut from input to output help", "skip_connect on edge 1>4"),
        ("3x3 on a path from input to output", "nor_conv_3x3"),
        ("nor_conv_1x1", "nor_conv_1x1"),
        ("faster than 3 ms", ""),
        ("a convoluted question about a skipper", ""),
    ],
)
def test_operations_and_edges_are_understood(text: str, words: str) -> None:
    topic, notes, _ = read(text, OPERATIONS, EDGES)
    assert topic.words == words
    assert notes == ()


def test_an_edge_there_is_not_is_told() -> None:
    topic, notes, rest = read("does edge 0->3 matter", OPERATIONS, EDGES)
    assert not topic
    assert notes == ("no edge 0>3: edges are 1>2, 1>3, 1>4, 2>3, 2>4, 3>4",)
    assert "0" not in rest


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_has_a_topic_of_this_space_or_none(text: str) -> None:
    topic, _, _ = read(text.lower(), OPERATIONS, EDGES)
    assert set(topic.operations) <= set(OPERATIONS)
    assert set(topic.edges) <= set(EDGES)


def test_a_claim_is_about_what_some_part_of_its_condition_names(claim: ClaimMaker) -> None:
    both = claim(AllOf(parts=(CONV, Not(part=OpCount(op="none", relation="ge", count=2)))))
    assert Topic(operations=("nor_conv_3x3",), edges=("3>4",)).takes(both)
    assert Topic(operations=("none",)).takes(both)
    assert not Topic(operations=("none",), edges=("3>4",)).takes(both)
    assert not Topic(operations=("skip_connect",)).takes(both)


def test_answers_keep_to_the_topic(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    skip = claim(SKIP, direction="lowers")
    store.learn(lesson(claim(CONV), skip, cells=150))
    (found,) = store.ask("what does a skip connection do").findings
    assert found.heuristic.id == skip.key
    nothing = store.ask("is pooling fast")
    assert nothing.findings == ()
    assert "no claim here is about avg_pool_3x3" in nothing.notes


def test_what_means_nothing_here_is_not_answered(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    store.learn(lesson(claim(CONV), cells=150))
    nonsense = store.ask("purple monkey dishwasher")
    assert nonsense.findings == ()
    assert any(note.startswith("not understood: 'purple monkey") for note in nonsense.notes)
    placed = store.ask("schnellere zellen auf edgegpu")
    assert placed.findings
    assert any(note.startswith("not understood") for note in placed.notes)
    (cut,) = store.ask("faster " * 2000).notes
    assert cut == "only the first 1,000 characters were read"


def test_an_empty_store_says_so(store: HeuristicStore) -> None:
    answer = store.ask("faster cells")
    assert (answer.findings, answer.notes) == (
        (),
        ("this store is empty: searches with it fill it",),
    )


def test_limits_out_of_reach_and_energies_nobody_measured_are_told(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    store.learn(lesson(claim(CONV), cells=150))
    (far,) = store.ask("at least 99.9 % accuracy on edgegpu").notes
    assert far.startswith("no measured cell has accuracy at least 99.9 %: the nearest ")
    assert "no energy was measured on edgegpu" in store.ask("less energy on edgegpu").notes


def test_a_cell_is_known_by_its_twins(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    taught = lesson(claim(CONV), cells=150)
    store.learn(taught)
    space = nas_bench_201()
    forms = space.canonical_index()
    seen = {space.index(space.parse(cell.arch)) for cell in taught.measured}
    twin = next(i for i in range(space.size) if i not in seen and forms[i] in forms[list(seen)])
    story = store.explain(space.format(space.cell(twin)))
    assert story.measured == ()
    assert story.twins
    for cell in story.twins:
        assert forms[space.index(space.parse(cell.arch))] == forms[twin]
