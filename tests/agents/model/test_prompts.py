"""Prompts: golden renderings, hashes, and a bound on their length."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_nas.agents.chat.transport import ChatRequest, estimate_tokens
from llm_nas.agents.model.analyst import ModelAnalyst
from llm_nas.agents.model.ask import Asker
from llm_nas.agents.model.blind import blind_lexicon, open_lexicon
from llm_nas.agents.model.designer import ModelDesigner
from llm_nas.agents.model.facts import plain_lines, space_section
from llm_nas.agents.model.opener import ModelOpener
from llm_nas.agents.model.prompts import (
    PROMPTS,
    TOKEN_LIMITS,
    Section,
    fit,
    load_prompt,
    prompt_labels,
)
from llm_nas.choices import Choice
from llm_nas.claims import Heuristic
from llm_nas.domain import ACCURACY, Candidate, Failure, Limits, Measurement
from llm_nas.ports import NicheView, Partition, SearchSpace
from llm_nas.tools.spaces.space import Space
from tests.agents.conftest import HOSTILE

GOLDEN = Path(__file__).parents[2] / "fixtures" / "prompts"
ABOUT = "An old phone, one image at a time.\nAccuracy is that of 8 epochs on a fifth of the data."


def rendered(request: ChatRequest) -> str:
    return "\n".join(f"[{m.role}]\n{m.content}\n" for m in request.messages)


def requests_of(
    asker: Asker,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    seen: tuple[Candidate, ...] = (),
    about: str = ABOUT,
) -> dict[str, ChatRequest]:
    opener = ModelOpener(
        asker,
        partition,
        metric=ACCURACY,
        limits=Limits(max_latency_ms=9.0),
        task="digits",
        device="pixel3",
        about=about,
    )
    return {
        "designer": ModelDesigner(asker, about).request(view, heuristics),
        "analyst": ModelAnalyst(asker, about).request(view, heuristics),
        "opener": opener.request(6, seen=seen),
    }


@pytest.mark.parametrize("role", ["designer", "analyst", "opener"])
def test_the_rendering_is_the_golden_one(
    role: str,
    asker: Asker,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
) -> None:
    """Set LLM_NAS_UPDATE_GOLDEN=1 to accept a new rendering."""
    text = rendered(requests_of(asker, partition, view, heuristics)[role])
    golden = GOLDEN / f"{role}.txt"
    if os.environ.get("LLM_NAS_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_a_prompt_speaks_of_everything_that_is_known(
    asker: Asker, partition: Partition, view: NicheView, heuristics: tuple[Heuristic, ...]
) -> None:
    told = Candidate(arch=view.measured[5].arch, niche="N", origin="advisor", gain=0.25)
    broken = Failure(arch=view.measured[6].arch, stage="build", reason="too large")
    view = replace(view, suggestions=(told,), broken=(broken,))
    requests = requests_of(asker, partition, view, heuristics, seen=(told,))
    text = rendered(requests["designer"])
    for network in view.archive:
        assert f"accuracy {network.value:.4g} %, {network.latency_ms:.4g} ms" in text
    for wanted in (
        "A chain of three inverted-bottleneck stages.",
        "An old phone, one image at a time.",
        "latency at most 9 ms",
        "kernels = k1, k2, k3: 3, 5, 7 (k1: kernel size of stage 1)",
        "stride (stride of the pooling): 2, 3, only for networks with not (pool = none)",
        "No network between 2.5 and 4.25 ms.",
        "7 for, 1 against; effect +0.42 ms (+0.3 to +0.55)",
        "expected gain 0.25",
        "failed to build",
        "Niche N: narrow, others; networks with pool = avg or none and width at most 32",
    ):
        assert wanted in text
    assert HOSTILE not in text
    assert "Nothing has been trained yet" in rendered(requests["opener"])
    assert "assumptions" in rendered(requests["opener"])


def test_a_space_is_described_once(space: SearchSpace, partition: Partition) -> None:
    """Its own description counts where it names every choice; otherwise choices are listed."""
    plain = Space("plain", [Choice("depth", (1, 2), ordered=True), Choice("op", ("a", "b"))])
    assert "Choices:" not in space_section(open_lexicon(plain)).render()
    assert "Choices:" in space_section(open_lexicon(space)).render()
    blind = blind_lexicon(space, partition, np.random.default_rng(0))
    assert "Choices:" in space_section(blind).render()


def crowded(view: NicheView, space: SearchSpace) -> NicheView:
    """The largest view a run can make: many networks, gaps and failures."""
    measured = tuple(
        Measurement.model_validate(
            view.measured[n % len(view.measured)].model_dump()
            | {"niche": "N", "generation": 1, "latency_ms": 1234.56789 + n, "value": 50 + n / 99}
        )
        for n in range(600)
    )
    told = Candidate(arch=measured[0].arch, niche="N", origin="advisor", reason="x" * 300)
    return replace(
        view,
        generation=2,
        measured=measured,
        archive=measured[:200],
        slots=50,
        gaps_ms=tuple((float(i), float(i + 1)) for i in range(40)),
        failures=view.failures * 50,
        broken=(Failure(arch=measured[0].arch, stage="train", reason="no"),) * 50,
        suggestions=(told,) * 64,
    )


def test_the_longest_prompts_stay_within_their_limits(
    asker: Asker,
    partition: Partition,
    view: NicheView,
    heuristics: tuple[Heuristic, ...],
    space: SearchSpace,
) -> None:
    big = crowded(view, space)
    about = "A very long card. " * 2_000
    requests = requests_of(asker, partition, big, heuristics * 4, big.suggestions, about)
    for role, request in requests.items():
        assert 800 < request.prompt_tokens <= TOKEN_LIMITS[role]
        assert request.prompt == prompt_labels()[role]


def test_what_people_write_is_cut_to_printable_lines() -> None:
    hostile = "# Heading\n\x1b[31mred\u202e\u200b\n" + "long " * 400
    assert plain_lines(hostile, 40) == (" Heading", " [31mred")


def test_every_prompt_file_has_a_version_and_a_hash() -> None:
    labels = prompt_labels()
    assert set(labels) == set(PROMPTS)
    for name, label in labels.items():
        prompt = load_prompt(name)
        assert label == f"{name} v{prompt.version} {prompt.digest}"
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
