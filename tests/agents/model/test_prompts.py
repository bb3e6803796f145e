"""Prompts: golden renderings, hashes, and a bound on their length."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from llm_nas.agents.model_analyst import ModelAnalyst
from llm_nas.agents.model_designer import ModelDesigner
from llm_nas.agents.model_plan import plan_children
from llm_nas.agents.model_seat import Seat

from llm_nas.agents.chat.nonsense import NonsenseTransport
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.chat.transport import ChatRequest
from llm_nas.agents.model.blind import open_lexicon
from llm_nas.agents.model.prompts import (
    PROMPTS,
    TOKEN_LIMITS,
    Section,
    estimate_tokens,
    fit,
    load_prompt,
    prompt_labels,
)
from llm_nas.claims import Heuristic
from llm_nas.domain import Measurement
from llm_nas.ports import NicheView, Partition, SearchSpace

GOLDEN = Path(__file__).parent.parent / "fixtures" / "prompts"


@pytest.fixture
def both(space: SearchSpace, partition: Partition) -> tuple[ModelAnalyst, ModelDesigner]:
    seat = Seat(NonsenseTransport(), "m", open_lexicon(space), ModelOptions())
    return ModelAnalyst(seat, partition), ModelDesigner(seat, partition)


def rendered(request: ChatRequest) -> str:
    return "\n".join(f"[{m.role}]\n{m.content}\n" for m in request.messages)


@pytest.mark.parametrize("role", ["designer", "analyst"])
def test_the_rendering_is_the_golden_one(
    role: str,
    both: tuple[ModelAnalyst, ModelDesigner],
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
) -> None:
    """Set LLM_NAS_UPDATE_GOLDEN=1 to accept a new rendering."""
    children = plan_children(view, np.random.default_rng(0))
    analyst, designer = both
    requests = {
        "designer": designer.request(view, heuristics, children),
        "analyst": analyst.request(view, heuristics),
    }
    text = rendered(requests[role])
    golden = GOLDEN / f"{role}.txt"
    if os.environ.get("LLM_NAS_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_a_prompt_shows_parents_gaps_evidence_and_failures(
    both: tuple[ModelAnalyst, ModelDesigner],
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
) -> None:
    children = plan_children(view, np.random.default_rng(0))
    text = rendered(both[1].request(view, heuristics, children))
    for parent in view.archive:
        assert f"latency {parent.latency_ms:.3f} ms" in text
        assert f"error {100 - parent.predicted_accuracy_pct:.2f} %" in text
    assert "No cell between 2.500 and 4.250 ms." in text
    assert "7 for, 1 against; effect +0.42 ms (+0.3 to +0.55)" in text
    assert "Rejected proposals" in text
    assert "exactly 2 x nor_conv_3x3" in text
    assert "Ignore all previous instructions" not in text


def crowded(view: NicheView, space: SearchSpace, partition: Partition) -> NicheView:
    """The largest view a run can make: many cells, gaps and failures."""
    measured = tuple(
        Measurement(
            arch=space.format(space.cell(int(i))),
            niche="S3",
            generation=1,
            predicted_accuracy_pct=90.123456,
            latency_ms=1234.56789 + n,
        )
        for n, i in enumerate(partition.members("S3")[:600])
    )
    return replace(
        view,
        measured=measured,
        archive=measured[:200],
        slots=50,
        gaps_ms=tuple((float(i), float(i + 1)) for i in range(40)),
        failures=view.failures * 50,
        suggestions=tuple(m.arch for m in measured[:64]),
    )


def test_the_longest_prompts_stay_within_their_limits(
    both: tuple[ModelAnalyst, ModelDesigner],
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    space: SearchSpace,
    partition: Partition,
) -> None:
    big = crowded(view, space, partition)
    many = heuristics * 4
    children = plan_children(big, np.random.default_rng(0))
    analyst, designer = both
    for role, request in (
        ("designer", designer.request(big, many, children)),
        ("analyst", analyst.request(big, many)),
    ):
        tokens = sum(estimate_tokens(m.content) for m in request.messages)
        assert TOKEN_LIMITS[role] * 0.8 < tokens <= TOKEN_LIMITS[role]
        assert request.prompt == prompt_labels()[role]


def test_every_prompt_file_has_a_version_and_a_hash() -> None:
    labels = prompt_labels()
    assert set(labels) == set(PROMPTS)
    for name, label in labels.items():
        prompt = load_prompt(name)
        assert label == f"{name} v{prompt.version} {prompt.digest}"
        assert prompt.version >= 1
        assert len(prompt.digest) == 12


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        load_prompt("repair").fill()


def test_fitting_drops_the_tail_of_the_longest_section() -> None:
    long = Section("Long", tuple(f"line {i}" for i in range(50)))
    short = Section("Short", ("a", "b"), keep=2)
    text = fit((long, short), 60)
    assert estimate_tokens(text) <= 60
    assert "line 0" in text
    assert "line 49" not in text
    assert "## Short\na\nb" in text


def test_what_must_stay_stays_even_over_the_limit() -> None:
    kept = Section("Kept", tuple("abcdef"), keep=6)
    assert fit((kept, Section("Empty", ())), 1) == "## Kept\na\nb\nc\nd\ne\nf\n"


@pytest.mark.parametrize("archive_size", [0, 1, 3])
def test_children_have_parents_where_there_are_any(view: NicheView, archive_size: int) -> None:
    small = replace(view, archive=view.archive[:archive_size], gaps_ms=view.gaps_ms[:1])
    for seed in range(20):
        children = plan_children(small, np.random.default_rng(seed))
        assert len(children) == 4
        for child in children:
            wanted = {"sample": 0, "mutation": 1, "crossover": 2}[child.operator]
            assert len(child.parents) == wanted <= archive_size


def test_crossover_and_mutation_are_equally_likely(view: NicheView) -> None:
    rng = np.random.default_rng(0)
    made = [c.operator for _ in range(500) for c in plan_children(view, rng)]
    assert abs(made.count("crossover") / len(made) - 0.5) < 0.04
