"""What the grammar of questions understands, and what it says it does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_nas.domain import DATASETS, DEVICES
from llm_nas.knowledge.grammar import MOST_CHARACTERS, Names, parse
from llm_nas.knowledge.query import Limit

NAMES = Names(DATASETS, DEVICES, ("S0", "S3"), frozenset({"edge", "path", "nor_conv_3x3"}))


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        (
            "lower latency on pixel3, lose less than 0.5 % accuracy",
            "lower latency; accuracy down by at most 0.5 %; dataset any; device pixel3",
        ),
        (
            "faster cells without losing accuracy on cifar-100",
            "lower latency; no lower accuracy; dataset cifar100; device any",
        ),
        (
            "latency under 5 ms on raspberry pi 4, at least 93 % accuracy",
            "latency at most 5 ms; accuracy at least 93 %; dataset any; device raspi4",
        ),
        (
            "at most 1 ms slower but gain at least 1 % accuracy",
            "higher accuracy; accuracy up by at least 1 %; latency up by at most 1 ms; "
            "dataset any; device any",
        ),
        (
            "save at least 2ms on edge gpu for imagenet",
            "lower latency; latency down by at least 2 ms; dataset ImageNet16-120; device edgegpu",
        ),
        (
            "accuracy drop of at most 0,3%, under 300 us",
            "accuracy down by at most 0.3 %; latency at most 0.3 ms; dataset any; device any",
        ),
        ("error below 7 %", "accuracy at least 93 %; dataset any; device any"),
        (
            "raise accuracy, not slower",
            "higher accuracy; no higher latency; dataset any; device any",
        ),
        (
            "how do I make it accurate and fast in S3",
            "higher accuracy; lower latency; dataset any; device any; niche S3",
        ),
        (
            "what about energy on fpga?",
            "anything about energy; by meaning 'about'; dataset any; device fpga",
        ),
        (
            "which operation is slow",
            "higher latency; by meaning 'operation'; dataset any; device any",
        ),
        (
            "the best cell under 5 ms",
            "higher accuracy; latency at most 5 ms; dataset any; device any",
        ),
        (
            "better latency, better error",
            "higher accuracy; lower latency; dataset any; device any",
        ),
        ("what to avoid for speed", "lower latency; by meaning 'avoid'; dataset any; device any"),
        (
            "energy-efficient, even at lower speed",
            "higher latency; lower energy; by meaning 'even lower'; dataset any; device any",
        ),
        ("why is it bad", "anything about accuracy; by meaning 'why'; dataset any; device any"),
    ],
)
def test_goals_limits_and_places_are_understood(text: str, understood: str) -> None:
    query = parse(text, NAMES)
    assert query.words == understood
    assert query.notes == ()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("faster on toaster9", "no device or dataset 'toaster9' is known here"),
        ("lower latency for mnist", "no device or dataset 'mnist' is known here"),
        ("lower latency by 20 %", "not understood: 20"),
        ("faster on pixel3 and fpga", "one device at a time: fpga left aside"),
    ],
)
def test_what_is_not_understood_is_said_in_one_line(text: str, note: str) -> None:
    (said,) = parse(text, NAMES).notes
    assert said.startswith(note)
    assert "\n" not in said


def test_a_niche_there_is_not_is_told() -> None:
    (note,) = parse("faster", NAMES, niche="S9").notes
    assert note == "no niche 'S9' is known here, only S0, S3"


def test_places_given_outright_go_first() -> None:
    query = parse("faster on pixel3", NAMES, device="fpga", dataset="cifar10", niche="S0")
    assert (query.dataset, query.device, query.niche) == ("cifar10", "fpga", "S0")
    assert query.notes == ("one device at a time: pixel3 left aside",)


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_query(text: str) -> None:
    query = parse(text, NAMES)
    assert query == parse(text, NAMES)
    assert all("\n" not in note for note in query.notes)


_PIECES = (
    "lose less than ",
    "0.5 ",
    "% ",
    "the any its ",
    "accuracy ",
    "latency under ",
    "5 ms ",
    "on ",
)


@given(st.lists(st.sampled_from(_PIECES), max_size=400).map("".join))
@settings(max_examples=30, deadline=None)
def test_long_repetitive_questions_end(text: str) -> None:
    assert len(parse(text, NAMES).text) <= MOST_CHARACTERS


def test_limits_hold_on_their_own_side() -> None:
    loss = Limit(objective="accuracy", of="change", relation="at least", amount=-0.5)
    slow = Limit(objective="latency", of="value", relation="at most", amount=5)
    assert loss.holds(-0.5)
    assert not loss.holds(-0.51)
    assert slow.holds(5)
    assert not slow.holds(5.1)
