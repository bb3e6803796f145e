"""Questions to a model outside a search: cells with no constraint, and scores from memory."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from llm_nas.agents.blind import Lexicon
from llm_nas.agents.chat import Caller, ChatRequest, ChatTransport
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.agents.model_designer import cells_hint, read_cell
from llm_nas.agents.prompt_facts import common_values
from llm_nas.agents.prompts import load_prompt
from llm_nas.agents.reply import FormatError, ask
from llm_nas.agents.schema import Box, cells_schema, scores_schema
from llm_nas.domain import Cell, IntArray

LATENCY_WISH = "They must be as fast as possible on this device; a low latency matters most."


class Surveyor:
    """Asks one model; raises `ModelReplyError` where it gives no usable answer."""

    def __init__(
        self, transport: ChatTransport, model: str, lexicon: Lexicon, options: ModelOptions
    ) -> None:
        self._transport = transport
        self._model = model
        self._lexicon = lexicon
        self._options = options

    def cells(
        self,
        dataset: str,
        device: str,
        wish: str,
        boxes: Sequence[Box] | None,
        members: IntArray,
        count: int,
        turn: int,
    ) -> tuple[Cell, ...]:
        """Legal cells of an answer to a bare wish; `turn` tells repeated askings apart."""
        prompt = load_prompt("bias")
        values = common_values(self._lexicon) | {
            "dataset": self._lexicon.name(dataset),
            "device": self._lexicon.name(device),
            "count": str(count),
            "wish": f"{wish}\n(Batch {turn + 1}.)".strip(),
        }
        request = ChatRequest(
            caller=Caller("bias", generation=turn),
            model=self._model,
            messages=prompt.fill(**values),
            name="cells",
            schema=cells_schema(self._lexicon, boxes, members, count),
            format_hint=cells_hint(self._lexicon, count),
            prompt=prompt.label,
            temperature=self._options.temperature,
            max_reply_tokens=self._options.max_reply_tokens,
        )
        return ask(self._transport, request, self._read_cells, repairs=self._options.repairs).value

    def scores(self, dataset: str, cells: Sequence[Cell], turn: int) -> tuple[float, ...]:
        """A score for each cell, higher for better, from no data at all."""
        labels = [f"C{number:02d}" for number in range(1, len(cells) + 1)]
        lines = [
            f"{name} [{self._lexicon.cell(c)}]" for name, c in zip(labels, cells, strict=True)
        ]
        prompt = load_prompt("memory")
        values = common_values(self._lexicon) | {
            "space": self._lexicon.name(self._lexicon.space.name),
            "dataset": self._lexicon.name(dataset),
            "cells": "\n".join(lines),
        }
        request = ChatRequest(
            caller=Caller("memory", generation=turn),
            model=self._model,
            messages=prompt.fill(**values),
            name="scores",
            schema=scores_schema(labels),
            format_hint=f'Answer with one JSON object: {{"{labels[0]}": 50, ...}} for all cells.',
            prompt=prompt.label,
            temperature=self._options.temperature,
            max_reply_tokens=self._options.max_reply_tokens,
        )
        read = partial(_read_scores, labels)
        return ask(self._transport, request, read, repairs=self._options.repairs).value

    def _read_cells(self, answer: dict[str, Any]) -> tuple[Cell, ...]:
        listed = answer.get("cells")
        if not isinstance(listed, list) or not listed:
            raise FormatError('it needs a key "cells" with a list of cells')
        return tuple(read_cell(self._lexicon, item)[0] for item in cast(list[object], listed))


def _read_scores(labels: Sequence[str], answer: dict[str, Any]) -> tuple[float, ...]:
    values = [answer.get(label) for label in labels]
    if not all(isinstance(value, int | float) for value in values):
        raise FormatError(f"it needs a number for each of {labels[0]} to {labels[-1]}")
    return tuple(float(value) for value in values if isinstance(value, int | float))
