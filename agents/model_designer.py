"""The Designer on a language model: Pareto parents, gaps and heuristics in, cells out."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, cast

import numpy as np

from llm_nas.agents.blind import Lexicon
from llm_nas.agents.chat import Caller, ChatRequest, Message
from llm_nas.agents.model_plan import (
    MOST_CHILDREN,
    Child,
    child_line,
    plan_children,
    shown_parents,
)
from llm_nas.agents.model_seat import Form, Seat
from llm_nas.agents.prompt_facts import (
    cell_line,
    common_values,
    device_section,
    failures_section,
    gaps_section,
    heuristics_sections,
    measured_section,
    niche_rule,
    suggestions_section,
    task_values,
)
from llm_nas.agents.prompts import TOKEN_LIMITS, Prompt, Section, load_prompt
from llm_nas.agents.reply import FormatError
from llm_nas.agents.schema import MOST_LISTED, Box, cells_schema, niche_boxes, part_of_niche
from llm_nas.claims import Heuristic
from llm_nas.domain import Cell, Proposal
from llm_nas.errors import RequestError
from llm_nas.ports import NicheView, Partition

_LONGEST_RATIONALE = 400
_LONGEST_ARCH = 160
"""Characters kept of what is no cell."""


@dataclass(frozen=True, slots=True)
class Written:
    """One cell of an answer, or what stands in its place and why it is none."""

    arch: str
    rationale: str = ""
    cell: Cell | None = None
    problem: str = ""


class ModelDesigner:
    """Implements `llm_nas.ports.Designer`; safe to call from several threads."""

    def __init__(self, seat: Seat, partition: Partition) -> None:
        """Take the model's seat; lays out the schema of every niche."""
        self.source = seat.model
        self._seat = seat
        self._lexicon = seat.lexicon
        self._space = seat.lexicon.space
        self._partition = partition
        self._boxes: dict[str, tuple[Box, ...] | None] = {
            niche.id: niche_boxes(self._space, partition.members(niche.id))
            for niche in partition.niches
        }

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        """Cells in the order asked for; raises `ModelReplyError` when the model gives none.

        What cannot be read as a cell is proposed as it was written, cut short: the Validator
        rejects and counts it.
        """
        children = plan_children(view, rng)
        request = self.request(view, heuristics, children)
        answer = self._seat.ask(request, partial(self._cells, view))
        shown = tuple(h.id for h in heuristics)
        return tuple(
            self._proposal(child, written, shown)
            for child, written in zip_longest(children, answer)
            if written is not None
        )

    def _proposal(self, child: Child | None, written: Written, shown: tuple[str, ...]) -> Proposal:
        return Proposal(
            arch=written.arch,
            operator="model" if child is None else child.operator,
            source=self.source,
            parents=() if child is None else tuple(p.arch for p in child.parents),
            heuristics=shown,
            rationale=written.rationale,
        )

    def request(
        self, view: NicheView, heuristics: Sequence[Heuristic], children: Sequence[Child]
    ) -> ChatRequest:
        """The rendered request for these children."""
        members = self._partition.members(view.niche.id)
        schema = cells_schema(self._lexicon, self._narrowed(view), members, len(children))
        form = Form("cells", schema, cells_hint(self._lexicon, len(children)))
        prompt = load_prompt("designer")
        messages = self._messages(prompt, view, heuristics, children)
        caller = Caller("designer", view.niche.id, view.generation)
        return self._seat.request(caller, prompt, messages, form)

    def _narrowed(self, view: NicheView) -> tuple[Box, ...] | None:
        """The niche's boxes, or those of a part around its front, another one each generation."""
        members = self._partition.members(view.niche.id)
        boxes = self._boxes[view.niche.id]
        if boxes is not None or len(members) <= MOST_LISTED:
            return boxes
        rng = np.random.default_rng([view.generation, zlib.crc32(view.niche.id.encode())])
        front = [self._space.parse(m.arch) for m in view.archive]
        return part_of_niche(self._space, members, front, rng)

    def _messages(
        self,
        prompt: Prompt,
        view: NicheView,
        heuristics: Sequence[Heuristic],
        children: Sequence[Child],
    ) -> tuple[Message, ...]:
        lexicon = self._lexicon
        parents = shown_parents(view, children)
        label = {p.arch: f"P{i}" for i, p in enumerate(parents, start=1)}
        rule = niche_rule(lexicon, view, self._partition.members(view.niche.id))
        values = common_values(lexicon) | task_values(lexicon, view, rule)
        values |= {
            "children": "\n".join(child_line(i, c, label) for i, c in enumerate(children, 1)),
            "count": str(len(children)),
        }
        sections = (
            Section(
                "Parents (the niche's best cells, by latency)",
                tuple(cell_line(lexicon, p, f"{label[p.arch]} ") for p in parents),
                keep=len(parents),
            ),
            gaps_section(view),
            suggestions_section(lexicon, view),
            device_section(lexicon, view),
            *heuristics_sections(lexicon, heuristics, view.deciders),
            failures_section(lexicon, view.failures),
            measured_section(lexicon, view, tuple(label)),
        )
        return prompt.fill_within(TOKEN_LIMITS["designer"], sections, **values)

    def _cells(self, view: NicheView, answer: dict[str, Any]) -> list[Written]:
        """What an answer lists; refused when nothing in it is a cell, or none of the niche."""
        listed = answer.get("cells")
        if not isinstance(listed, list) or not listed:
            raise FormatError('it needs a key "cells" with a list of cells')
        written = [self._written(item) for item in cast(list[object], listed)[: 2 * MOST_CHILDREN]]
        cells = [w.cell for w in written if w.cell is not None]
        if not cells:
            raise FormatError(f"no cell is legal: {written[0].problem}")
        if not any(self._partition.niche_of(cell) == view.niche.id for cell in cells):
            rule = niche_rule(self._lexicon, view, self._partition.members(view.niche.id))
            raise FormatError(f"no cell is in the niche; every cell needs {rule}")
        return written

    def _written(self, item: object) -> Written:
        try:
            cell, rationale = read_cell(self._lexicon, item)
        except FormatError as error:
            return Written(json.dumps(item)[:_LONGEST_ARCH], problem=str(error))
        return Written(self._space.format(cell), rationale, cell)


def read_cell(lexicon: Lexicon, item: object) -> tuple[Cell, str]:
    """A cell and its rationale from one element of an answer; `FormatError` says what is off.

    Takes edge keys, a list of operations under `ops`, or the space's own string under `arch`.
    """
    if not isinstance(item, dict):
        raise FormatError("every cell must be a JSON object")
    fields = cast(Mapping[str, object], item)
    rationale = " ".join(str(fields.get("rationale") or "").split())[:_LONGEST_RATIONALE]
    if isinstance(arch := fields.get("arch"), str):
        try:
            return lexicon.space.parse(arch), rationale
        except RequestError as error:
            raise FormatError(str(error)) from None
    named = _listed_ops(lexicon, fields) or {k: fields.get(k) for k in lexicon.edge_keys()}
    codes = [0] * len(lexicon.edges)
    for key, value in named.items():
        name = lexicon.op(value) if isinstance(value, str) else None
        edge = lexicon.edge(key)
        if name is None or edge is None:
            known = ", ".join(lexicon.op_names())
            raise FormatError(f"{key} is {str(value)[:60]!r}, expected one of {known}")
        codes[edge] = lexicon.space.operations.index(name)
    return tuple(codes), rationale


def _listed_ops(lexicon: Lexicon, fields: Mapping[str, object]) -> dict[str, object] | None:
    ops = fields.get("ops")
    if isinstance(ops, str):
        ops = [part.strip() for part in ops.split(",")]
    if not isinstance(ops, list):
        return None
    values = cast(list[object], ops)
    keys = lexicon.edge_keys()
    if len(values) != len(keys):
        raise FormatError(f"a cell has {len(keys)} operations, not {len(values)}")
    return dict(zip(keys, values, strict=True))


def cells_hint(lexicon: Lexicon, count: int) -> str:
    """The form of an answer with cells, in words."""
    ops = lexicon.op_names()
    cell = ", ".join(
        f'"{key}": "{ops[i % len(ops)]}"' for i, key in enumerate(lexicon.edge_keys())
    )
    return (
        f'Answer with one JSON object: {{"cells": [...]}} with {count} cells, each of the form '
        f'{{{cell}, "rationale": "at most 20 words"}} and nothing else.'
    )
