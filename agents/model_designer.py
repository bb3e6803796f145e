"""The Designer on a language model: Pareto parents, gaps and heuristics in, cells out."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np

from llm_nas.agents.blind import Lexicon
from llm_nas.agents.chat import Caller, ChatRequest, ChatTransport, Message
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.agents.model_plan import (
    MOST_CHILDREN,
    Child,
    child_line,
    plan_children,
    shown_parents,
)
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
from llm_nas.agents.prompts import TOKEN_LIMITS, Section, estimate_tokens, fit, load_prompt
from llm_nas.agents.reply import FormatError, ask
from llm_nas.agents.schema import Box, cells_schema, niche_boxes
from llm_nas.agents.usage import Usage
from llm_nas.claims import Heuristic
from llm_nas.domain import Cell, Proposal
from llm_nas.errors import RequestError
from llm_nas.ports import NicheView, Partition, SearchSpace

_LONGEST_RATIONALE = 400


class ModelDesigner:
    """Implements `llm_nas.ports.Designer`; safe to call from several threads."""

    def __init__(
        self,
        transport: ChatTransport,
        model: str,
        space: SearchSpace,
        partition: Partition,
        lexicon: Lexicon,
        options: ModelOptions,
        usage: Usage,
    ) -> None:
        self.source = model
        self._transport = transport
        self._space = space
        self._partition = partition
        self._lexicon = lexicon
        self._options = options
        self._usage = usage
        self._boxes: dict[str, tuple[Box, ...] | None] = {
            niche.id: niche_boxes(space, partition.members(niche.id)) for niche in partition.niches
        }

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        """Cells in the order asked for; raises `ModelReplyError` when the model gives none."""
        children = plan_children(view, rng)
        request = self.request(view, heuristics, children)
        answer = ask(
            self._transport,
            request,
            partial(self._cells, view),
            repairs=self._options.repairs,
            on_repair=partial(self._usage.repaired, "designer"),
        )
        shown = tuple(h.id for h in heuristics)
        proposals: list[Proposal] = []
        for position, (cell, rationale) in enumerate(answer.value):
            child = children[position] if position < len(children) else Child("model", (), None)
            proposals.append(
                Proposal(
                    arch=self._space.format(cell),
                    operator=child.operator,
                    source=self.source,
                    parents=tuple(p.arch for p in child.parents),
                    heuristics=shown,
                    rationale=rationale,
                )
            )
        return tuple(proposals)

    def request(
        self, view: NicheView, heuristics: Sequence[Heuristic], children: Sequence[Child]
    ) -> ChatRequest:
        """The rendered request for these children."""
        members = self._partition.members(view.niche.id)
        count = len(children)
        return ChatRequest(
            caller=Caller("designer", view.niche.id, view.generation),
            model=self.source,
            messages=self._messages(view, heuristics, children),
            name="cells",
            schema=cells_schema(self._lexicon, self._boxes[view.niche.id], members, count),
            format_hint=cells_hint(self._lexicon, count),
            prompt=load_prompt("designer").label,
            temperature=self._options.temperature,
            max_reply_tokens=self._options.max_reply_tokens,
        )

    def _messages(
        self, view: NicheView, heuristics: Sequence[Heuristic], children: Sequence[Child]
    ) -> tuple[Message, ...]:
        lexicon = self._lexicon
        parents = shown_parents(view, children)
        label = {p.arch: f"P{i}" for i, p in enumerate(parents, start=1)}
        members = self._partition.members(view.niche.id)
        fixed = common_values(lexicon) | task_values(
            lexicon, view, niche_rule(lexicon, view, members)
        )
        fixed |= {
            "children": "\n".join(child_line(i, c, label) for i, c in enumerate(children, 1)),
            "count": str(len(children)),
        }
        prompt = load_prompt("designer")
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
        bare = prompt.fill(**fixed, sections="")
        used = sum(estimate_tokens(m.content) for m in bare)
        return prompt.fill(**fixed, sections=fit(sections, TOKEN_LIMITS["designer"] - used))

    def _cells(self, view: NicheView, answer: dict[str, Any]) -> list[tuple[Cell, str]]:
        """Legal cells of an answer; refused when it has none, or none inside the niche.

        Single cells outside the niche pass: the Validator counts and rejects them.
        """
        listed = answer.get("cells")
        if not isinstance(listed, list) or not listed:
            raise FormatError('it needs a key "cells" with a list of cells')
        problems: list[str] = []
        cells: list[tuple[Cell, str]] = []
        for item in cast(list[object], listed)[: 2 * MOST_CHILDREN]:
            try:
                cells.append(read_cell(self._lexicon, item))
            except FormatError as error:
                problems.append(str(error))
        if not cells:
            raise FormatError(f"no cell is legal: {problems[0]}")
        if not any(self._partition.niche_of(cell) == view.niche.id for cell, _ in cells):
            rule = niche_rule(self._lexicon, view, self._partition.members(view.niche.id))
            raise FormatError(f"no cell is in the niche; every cell needs {rule}")
        return cells


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
