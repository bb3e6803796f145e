"""Questions to a model outside a search: cells with no constraint, and scores from memory."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from llm_nas.agents.chat import Caller
from llm_nas.agents.model_designer import cells_hint, read_cell
from llm_nas.agents.model_seat import Form, Seat
from llm_nas.agents.prompt_facts import common_values
from llm_nas.agents.prompts import load_prompt
from llm_nas.agents.reply import FormatError
from llm_nas.agents.schema import Box, cells_schema, scores_schema
from llm_nas.domain import Cell, IntArray

T = TypeVar("T")

LATENCY_WISH = "They must be as fast as possible on this device; a low latency matters most."


class Surveyor:
    """Asks one model; raises `ModelReplyError` where it gives no usable answer."""

    def __init__(self, seat: Seat) -> None:
        """Take the model's seat."""
        self._seat = seat
        self._lexicon = seat.lexicon

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
        values = common_values(self._lexicon) | {
            "dataset": self._lexicon.name(dataset),
            "device": self._lexicon.name(device),
            "count": str(count),
            "wish": f"{wish}\n(Batch {turn + 1}.)".strip(),
        }
        schema = cells_schema(self._lexicon, boxes, members, count)
        form = Form("cells", schema, cells_hint(self._lexicon, count))
        return self._ask(Caller("bias", generation=turn), values, form, self._read_cells)

    def scores(self, dataset: str, cells: Sequence[Cell], turn: int) -> tuple[float, ...]:
        """A score for each cell, higher for better, from no data at all."""
        labels = [f"C{number:02d}" for number in range(1, len(cells) + 1)]
        lines = [
            f"{name} [{self._lexicon.cell(c)}]" for name, c in zip(labels, cells, strict=True)
        ]
        values = common_values(self._lexicon) | {
            "space": self._lexicon.name(self._lexicon.space.name),
            "dataset": self._lexicon.name(dataset),
            "cells": "\n".join(lines),
        }
        hint = f'Answer with one JSON object: {{"{labels[0]}": 50, ...}} for all cells.'
        form = Form("scores", scores_schema(labels), hint)
        caller = Caller("memory", generation=turn)
        return self._ask(caller, values, form, partial(_read_scores, labels))

    def _ask(
        self,
        caller: Caller,
        values: Mapping[str, str],
        form: Form,
        parse: Callable[[dict[str, Any]], T],
    ) -> T:
        prompt = load_prompt(caller.role)
        request = self._seat.request(caller, prompt, prompt.fill(**values), form)
        return self._seat.ask(request, parse)

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
