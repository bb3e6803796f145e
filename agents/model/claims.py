"""From a model's JSON to typed claims: every part checked, every problem named for the model."""

from collections.abc import Mapping
from typing import cast

from pydantic import ValidationError

from llm_nas.agents.model.ask import FormatError
from llm_nas.agents.model.blind import Lexicon
from llm_nas.agents.offline.effects import telling_quantities
from llm_nas.choices import Choice
from llm_nas.claims import Claim, Effect, Origin, Scope
from llm_nas.conditions import AllOf, Bound, Condition, Count, Is, Quantity, Value
from llm_nas.domain import Arch
from llm_nas.ports import NicheView

THIS_NICHE, EVERYWHERE = "this niche", "everywhere"
SCOPES = (THIS_NICHE, "this task or device", EVERYWHERE)


class ClaimReader:
    """Reads claims made in one lexicon by one model."""

    def __init__(self, lexicon: Lexicon, source: str) -> None:
        self._lexicon = lexicon
        self._space = lexicon.space
        self._source = source

    def read(self, view: NicheView, item: object, shown: tuple[Arch, ...]) -> Claim:
        """The claim one element of an answer makes; `FormatError` says what is wrong with it.

        `shown` are the networks the model was shown: they do not test what it claims.
        """
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
                scope=_scope(view, fields),
                origin=Origin(source=self._source, generation=view.generation, archs=shown),
                wording=" ".join(str(fields.get("because") or "").split())[:400],
            )
        except ValidationError as error:
            raise FormatError(_first_problem(error)) from None

    def _condition(self, atom: object) -> Condition:
        if not isinstance(atom, dict):
            raise FormatError("every condition must be a JSON object")
        fields = cast(Mapping[str, object], atom)
        readers = {
            "is": self._is,
            "bound": self._bound,
            "count": self._count,
            "quantity": self._quantity,
        }
        kind = str(fields.get("kind"))
        if kind not in readers:
            raise FormatError(
                f"condition kind {kind[:40]!r}, expected one of {', '.join(readers)}"
            )
        try:
            return readers[kind](fields)
        except ValidationError as error:
            raise FormatError(_first_problem(error)) from None

    def _is(self, fields: Mapping[str, object]) -> Condition:
        choice = self._choice(fields)
        return Is(choice=choice.name, values=(self._value(choice, fields),))

    def _bound(self, fields: Mapping[str, object]) -> Condition:
        choice = self._choice(fields)
        value = self._value(choice, fields)
        if not choice.ordered:
            raise FormatError(f"{self._lexicon.key(choice)} has no order; use kind 'is'")
        return Bound.model_validate(
            {"choice": choice.name, "relation": fields.get("relation"), "value": value}
        )

    def _count(self, fields: Mapping[str, object]) -> Condition:
        group = self._known(fields, "group", list(self._space.groups))
        members = [c for c in self._lexicon.choices if c.name in self._space.groups[group]]
        values = [self._lexicon.value(c, fields.get("value")) for c in members]
        held = tuple(dict.fromkeys(v for v in values if v is not None))
        if not held:
            raise FormatError(f"no choice of {self._lexicon.name(group)} has that value")
        asked = {name: fields.get(name) for name in ("relation", "count")}
        return Count.model_validate({"group": group, "values": held, **asked})

    def _quantity(self, fields: Mapping[str, object]) -> Condition:
        name = self._known(fields, "name", telling_quantities(self._space))
        side = {"ge": "low", "lt": "high"}.get(str(fields.get("relation")))
        if side is None:
            raise FormatError("the relation of a quantity is ge or lt")
        return Quantity.model_validate({"name": name, side: fields.get("value")})

    def _choice(self, fields: Mapping[str, object]) -> Choice:
        choice = self._lexicon.choice(fields.get("choice"))
        if choice is None:
            raise FormatError(f"choice {str(fields.get('choice'))[:40]!r} is unknown")
        return choice

    def _value(self, choice: Choice, fields: Mapping[str, object]) -> Value:
        value = self._lexicon.value(choice, fields.get("value"))
        if value is None:
            key, allowed = self._lexicon.key(choice), self._lexicon.tokens(choice)
            listed = ", ".join(str(token) for token in allowed)
            raise FormatError(f"{key} is one of {listed}, not {str(fields.get('value'))[:40]!r}")
        return value

    def _known(self, fields: Mapping[str, object], key: str, names: list[str]) -> str:
        found = self._lexicon.known(fields.get(key), names)
        if found is None:
            known = ", ".join(self._lexicon.name(name) for name in names)
            told = str(fields.get(key))[:40]
            raise FormatError(f"{key} {told!r} is unknown, expected one of {known}")
        return found


def _scope(view: NicheView, fields: Mapping[str, object]) -> Scope:
    """Accuracy belongs to a task, latency to a device; both to the space."""
    narrow, where = fields.get("scope") != EVERYWHERE, view.context
    objective = fields.get("objective")
    return Scope(
        space=where.space,
        tasks=(where.task,) if narrow and objective == "accuracy" else (),
        devices=(where.device,) if narrow and objective == "latency" else (),
        niches=(view.niche.id,) if fields.get("scope") == THIS_NICHE else (),
    )


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
