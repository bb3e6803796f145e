"""From a model's JSON to typed claims: every part checked, every problem named for the model."""

from collections.abc import Mapping
from typing import cast

from pydantic import ValidationError

from llm_nas.agents.blind import Lexicon
from llm_nas.agents.prompt_facts import device_name
from llm_nas.agents.reply import FormatError
from llm_nas.claims import (
    AllOf,
    AnyOf,
    Claim,
    Condition,
    DeadEdges,
    Effect,
    OpAt,
    OpCount,
    OpOnPath,
    Origin,
    Scope,
)
from llm_nas.ports import NicheView


class ClaimReader:
    """Reads claims made in one lexicon by one model."""

    def __init__(self, lexicon: Lexicon, source: str) -> None:
        self._lexicon = lexicon
        self._space = lexicon.space
        self._source = source

    def read(self, view: NicheView, item: object) -> Claim:
        """The claim one element of an answer makes; `FormatError` says what is wrong with it."""
        if not isinstance(item, dict):
            raise FormatError("every claim must be a JSON object")
        fields = cast(Mapping[str, object], item)
        atoms = fields.get("all_of")
        if not isinstance(atoms, list) or not atoms:
            raise FormatError('a claim needs "all_of" with at least one condition')
        parts = [self._condition(atom) for atom in cast(list[object], atoms)]
        size = fields.get("size")
        try:
            return Claim(
                condition=parts[0] if len(parts) == 1 else AllOf(parts=tuple(parts)),
                effect=Effect.model_validate(
                    {
                        "objective": fields.get("objective"),
                        "direction": fields.get("direction"),
                        "size": abs(size) if isinstance(size, int | float) and size else None,
                    }
                ),
                scope=self._scope(view, fields),
                origin=Origin(
                    source=self._source,
                    generation=view.generation,
                    cells=tuple(m.arch for m in view.archive[:3]),
                ),
                wording=" ".join(str(fields.get("because") or "").split())[:400],
            )
        except ValidationError as error:
            raise FormatError(_first_problem(error)) from None

    def _scope(self, view: NicheView, fields: Mapping[str, object]) -> Scope:
        """Accuracy belongs to a dataset, latency to a device; both to the space."""
        narrow = fields.get("scope") != "everywhere"
        return Scope(
            space=self._space.name,
            datasets=(view.dataset,) if narrow and fields.get("objective") == "accuracy" else (),
            devices=(
                (device_name(view.device),)
                if narrow and fields.get("objective") == "latency"
                else ()
            ),
            niches=(view.niche.id,) if fields.get("scope") == "this niche" else (),
        )

    def _condition(self, atom: object) -> Condition:
        if not isinstance(atom, dict):
            raise FormatError("every condition must be a JSON object")
        fields = cast(Mapping[str, object], atom)
        kind = fields.get("kind")
        try:
            if kind == "op_count":
                return OpCount.model_validate(
                    {
                        "op": self._op(fields),
                        "relation": fields.get("relation"),
                        "count": fields.get("count"),
                    }
                )
            if kind == "op_on_path":
                return OpOnPath(op=self._op(fields))
            if kind == "dead_edges":
                return DeadEdges.model_validate(
                    {"relation": fields.get("relation"), "count": fields.get("count")}
                )
            if kind == "op_at":
                return self._op_at(fields)
        except ValidationError as error:
            raise FormatError(_first_problem(error)) from None
        raise FormatError(f"condition kind {str(kind)[:40]!r} is unknown")

    def _op_at(self, fields: Mapping[str, object]) -> Condition:
        op, edges = self._op(fields), fields.get("edges")
        if not isinstance(edges, list) or not edges:
            raise FormatError('"op_at" needs "edges" with at least one edge')
        places: list[OpAt | AnyOf] = []
        for key in cast(list[object], edges):
            position = self._lexicon.edge(key) if isinstance(key, str) else None
            if position is None:
                known = ", ".join(self._lexicon.edge_keys())
                raise FormatError(f"edge {str(key)[:40]!r} is unknown, expected one of {known}")
            places.append(OpAt(edge=self._space.edges[position], op=op))
        unique = tuple(dict.fromkeys(places))
        return unique[0] if len(unique) == 1 else AnyOf(parts=unique)

    def _op(self, fields: Mapping[str, object]) -> str:
        value = fields.get("op")
        name = self._lexicon.op(value) if isinstance(value, str) else None
        if name is None:
            known = ", ".join(self._lexicon.op_names())
            raise FormatError(f"op {str(value)[:40]!r} is unknown, expected one of {known}")
        return name


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
