"""A real model's recorded answers, asked for again through today's schemas and parser.

The cassette holds the first Designer calls of a search on cifar10 and edgegpu, recorded with
Qwen2.5-Coder-1.5B-Instruct (Q4_K_M) on llama.cpp's server. The prompts are the recorded ones,
so that this test depends on no table; schemas, hints and keys are made anew and must agree.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from llm_nas.agents.blind import Lexicon, open_lexicon
from llm_nas.agents.cassette import Track, open_replay
from llm_nas.agents.chat import Caller, ChatRequest, Message
from llm_nas.agents.model_designer import cells_hint, read_cell
from llm_nas.agents.reply import ask
from llm_nas.agents.schema import cells_schema, niche_boxes
from llm_nas.domain import Cell
from llm_nas.ports import Partition, SearchSpace

CASSETTE = Path(__file__).parents[1] / "fixtures" / "cassettes" / "qwen2.5-coder-1.5b.jsonl"
MODEL = "qwen2.5-coder-1.5b-instruct-q4_k_m"
COUNT = 4
"""Cells asked for in every recorded call."""
TRACKS = [Track.model_validate_json(line) for line in CASSETTE.read_text().splitlines()]


def asked(track: Track, space: SearchSpace, partition: Partition) -> ChatRequest:
    """The recorded request, its schema built anew."""
    lexicon = open_lexicon(space)
    members = partition.members(track.niche)
    return ChatRequest(
        caller=Caller(track.role, track.niche, track.generation),
        model=MODEL,
        messages=tuple(Message(cast(Any, role), text) for role, text in track.messages),
        name="cells",
        schema=cells_schema(lexicon, niche_boxes(space, members), members, COUNT),
        format_hint=cells_hint(lexicon, COUNT),
        prompt="",
        temperature=0.7,
        max_reply_tokens=1500,
    )


def read(lexicon: Lexicon, answer: dict[str, Any]) -> list[tuple[Cell, str]]:
    return [read_cell(lexicon, item) for item in answer["cells"]]


def test_the_recording_covers_several_niches() -> None:
    assert {(t.role, t.niche) for t in TRACKS} == {("designer", f"S{i}") for i in range(4)}
    assert all(t.failure is None and t.tokens_in > 400 and t.tokens_out > 400 for t in TRACKS)
    assert CASSETTE.stat().st_size < 300_000


@pytest.mark.parametrize("track", TRACKS, ids=lambda t: t.niche)
def test_a_weak_models_cells_are_all_in_their_niche(
    track: Track, space: SearchSpace, partition: Partition
) -> None:
    request = asked(track, space, partition)
    assert request.schema_digest == track.schema_digest
    assert request.fingerprint == track.key
    answer = ask(open_replay(CASSETTE), request, partial(read, open_lexicon(space)), repairs=0)
    assert len(answer.value) == COUNT
    assert {partition.niche_of(cell) for cell, _ in answer.value} == {track.niche}
    assert all(rationale for _, rationale in answer.value)


@pytest.mark.parametrize("track", TRACKS, ids=lambda t: t.niche)
def test_a_replay_is_the_same_to_the_bit(
    track: Track, space: SearchSpace, partition: Partition
) -> None:
    request = asked(track, space, partition)
    replies = [open_replay(CASSETTE).send(request) for _ in range(2)]
    assert replies[0] == replies[1]
    assert replies[0].text == track.text
    assert json.loads(replies[0].text)["cells"]
