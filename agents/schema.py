"""Response schemas narrowed to a niche, so that an answer is a member by construction.

A niche is written as a few *boxes*: for every edge the operations allowed there. Where it has
such a structure their union is exactly the niche ('exactly two 3x3' becomes its fifteen
placements), found from the niche's members alone. A niche without it (equal parts by latency)
is listed cell by cell when it is small; otherwise the boxes of one call cover a part of it,
around the cells it starts from, and other calls cover other parts.
"""

from collections.abc import Sequence
from typing import Any, SupportsInt, TypeAlias

import numpy as np

from llm_nas.agents.blind import Lexicon
from llm_nas.domain import BoolArray, Cell, IntArray
from llm_nas.ports import SearchSpace

Box: TypeAlias = tuple[tuple[int, ...], ...]
"""Allowed operation codes per edge, in the space's edge order."""

MOST_BOXES = 64
MOST_CHOICES = 800
"""OpenAI's strict mode takes at most 1,000 enum values in one schema."""
MOST_LISTED = 250
"""Above that, strict mode also bounds the length of one enum's text."""
LARGEST_GRID = 4_000_000
"""Combinations of operations up to which membership is laid out as a dense array."""
LONGEST_RATIONALE = 160


def niche_boxes(space: SearchSpace, members: IntArray) -> tuple[Box, ...] | None:
    """Boxes whose union is exactly `members` `(n,)`, or None where no small set is found.

    Grows one box at a time from the first cell not yet covered, taking every operation on
    every edge that keeps the box inside the niche. Boxes may overlap.
    """
    inside = _grid(space, members)
    if inside is None:
        return None
    uncovered = inside.copy()
    boxes: list[Box] = []
    while uncovered.any():
        seed = np.unravel_index(int(np.argmax(uncovered)), inside.shape)
        box = _grow(inside, seed, _every_place(inside))
        boxes.append(box)
        uncovered[np.ix_(*box)] = False
        if _too_many(boxes):
            return None
    return tuple(boxes)


def part_of_niche(
    space: SearchSpace, members: IntArray, around: Sequence[Cell], rng: np.random.Generator
) -> tuple[Box, ...] | None:
    """Boxes inside `members` `(n,)`, as many as one schema holds; None in a space too large.

    The first are grown from the cells `around`, the others from random cells not yet covered.
    """
    inside = _grid(space, members)
    if inside is None:
        return None
    uncovered = inside.copy()
    first = [cell for cell in around if inside[cell]]
    boxes: list[Box] = []
    while uncovered.any():
        drawn = np.unravel_index(int(rng.choice(np.flatnonzero(uncovered))), inside.shape)
        places = rng.permutation(np.array(_every_place(inside))).tolist()
        box = _grow(inside, first.pop(0) if first else drawn, places)
        if _too_many([*boxes, box]):
            break
        boxes.append(box)
        uncovered[np.ix_(*box)] = False
    return tuple(boxes)


def _grid(space: SearchSpace, members: IntArray) -> BoolArray | None:
    """Membership over all combinations of operations, one axis an edge."""
    shape = (len(space.operations),) * len(space.edges)
    if float(len(space.operations)) ** len(space.edges) > LARGEST_GRID or len(members) == 0:
        return None
    inside = np.zeros(shape, dtype=np.bool_)
    inside[tuple(space.codes()[members].T)] = True
    return inside


def _too_many(boxes: Sequence[Box]) -> bool:
    return len(boxes) > MOST_BOXES or choices(boxes) > MOST_CHOICES


def choices(boxes: Sequence[Box]) -> int:
    """Enum values a schema of these boxes holds."""
    return sum(len(ops) for box in boxes for ops in box)


def _every_place(inside: BoolArray) -> list[tuple[int, int]]:
    """(edge, operation) in order."""
    return [(edge, op) for edge, ops in enumerate(inside.shape) for op in range(ops)]


def _grow(
    inside: BoolArray, seed: Sequence[SupportsInt], places: Sequence[tuple[int, int]]
) -> Box:
    """The cell `seed` and what may be added to it in the order of `places`."""
    box = [[int(op)] for op in seed]
    for edge, op in places:
        if op in box[edge]:
            continue
        slab = [[op] if e == edge else kept for e, kept in enumerate(box)]
        if inside[np.ix_(*slab)].all():
            box[edge].append(op)
    return tuple(tuple(sorted(ops)) for ops in box)


def cells_schema(
    lexicon: Lexicon, boxes: Sequence[Box] | None, members: IntArray, count: int
) -> dict[str, Any]:
    """Schema of an answer with exactly `count` cells of a niche, each with a rationale.

    Without boxes the members are listed where they are few; else any cell passes, and
    membership is left to the Validator.
    """
    return {
        "type": "object",
        "properties": {
            "cells": {
                "type": "array",
                "items": _one_cell(lexicon, boxes, members),
                "minItems": count,
                "maxItems": count,
            }
        },
        "required": ["cells"],
        "additionalProperties": False,
    }


def _one_cell(lexicon: Lexicon, boxes: Sequence[Box] | None, members: IntArray) -> dict[str, Any]:
    if boxes is not None:
        parts = [_box_schema(lexicon, box) for box in boxes]
        return parts[0] if len(parts) == 1 else {"anyOf": parts}
    if len(members) <= MOST_LISTED:
        space = lexicon.space
        listed = [lexicon.cell(space.cell(int(index))) for index in members]
        return _closed({"ops": {"type": "string", "enum": listed}, "rationale": _rationale()})
    everything = tuple(range(len(lexicon.space.operations)))
    return _box_schema(lexicon, (everything,) * len(lexicon.space.edges))


def _box_schema(lexicon: Lexicon, box: Box) -> dict[str, Any]:
    names = lexicon.space.operations
    edges: dict[str, Any] = {
        lexicon.edge_key(edge): {
            "type": "string",
            "enum": [lexicon.name(names[op]) for op in lexicon.ops if op in box[edge]],
        }
        for edge in lexicon.edges
    }
    return _closed({**edges, "rationale": _rationale()})


def _rationale() -> dict[str, Any]:
    return {"type": "string", "maxLength": LONGEST_RATIONALE}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def claims_schema(
    lexicon: Lexicon, niche_scopes: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    """Schema of an analysis: at most three typed claims, and votes on the heuristics shown.

    `labels` are the names of the heuristics in the prompt (H1, H2, ...).
    """
    claim = _closed(
        {
            "all_of": {
                "type": "array",
                "items": {"anyOf": _atoms(lexicon)},
                "minItems": 1,
                "maxItems": 2,
            },
            "objective": _one_of(["accuracy", "latency"]),
            "direction": _one_of(["raises", "lowers"]),
            "size": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "scope": _one_of(niche_scopes),
            "because": _rationale(),
        }
    )
    votes = {"type": "array", "items": _one_of(labels), "maxItems": len(labels)}
    properties: dict[str, Any] = {"claims": {"type": "array", "items": claim, "maxItems": 3}}
    if labels:
        properties |= {"keep": votes, "retire": votes}
    return _closed({**properties, "note": _rationale()})


def scores_schema(labels: Sequence[str]) -> dict[str, Any]:
    """Schema of one score from 0 to 100 for each label."""
    score = {"type": "integer", "minimum": 0, "maximum": 100}
    return _closed(dict.fromkeys(labels, score))


def summary_schema(ids: Sequence[str], most: int, longest: int) -> dict[str, Any]:
    """Schema of up to `most` sentences, each citing some of these ids."""
    text = {"type": "string", "maxLength": longest}
    cited = {"type": "array", "items": _one_of(list(ids)), "minItems": 1, "maxItems": len(ids)}
    sentence = _closed({"text": text, "claims": cited})
    return _closed({"sentences": {"type": "array", "items": sentence, "maxItems": most}})


def _atoms(lexicon: Lexicon) -> list[dict[str, Any]]:
    op, relation = _one_of(lexicon.op_names()), _one_of(["eq", "ge", "le"])
    count = {"type": "integer", "minimum": 0, "maximum": len(lexicon.space.edges)}
    edges = {
        "type": "array",
        "items": _one_of(lexicon.edge_keys()),
        "minItems": 1,
        "maxItems": len(lexicon.space.edges),
    }
    return [
        _closed({"kind": _one_of(["op_count"]), "op": op, "relation": relation, "count": count}),
        _closed({"kind": _one_of(["op_at"]), "op": op, "edges": edges}),
        _closed({"kind": _one_of(["op_on_path"]), "op": op}),
        _closed({"kind": _one_of(["dead_edges"]), "relation": relation, "count": count}),
    ]


def _one_of(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
