"""Design heuristics as claims that code can test.

A claim says that cells meeting a *condition* have more or less of an *objective*
within a *scope*. Everything here is data plus `matches`; evidence is computed
elsewhere (`llm_nas.knowledge.evidence`), never written by a model.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, assert_never

from pydantic import Field

from llm_nas.domain import Frozen

Relation: TypeAlias = Literal["eq", "ge", "le"]
Objective: TypeAlias = Literal["accuracy", "latency", "energy"]
Status: TypeAlias = Literal["proposed", "supported", "trusted", "contested", "retired"]

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:>|\- ]+$")]
Text = Annotated[str, Field(max_length=400)]

_MAX_PARTS = 8
_MAX_COUNT = 64

_WORDS: Mapping[Relation, str] = {"eq": "exactly", "ge": "at least", "le": "at most"}


@dataclass(frozen=True, slots=True)
class CellFacts:
    """What a condition may ask of a cell: made by `SearchSpace.facts`."""

    op_at: Mapping[str, str]
    """Operation name by edge label."""
    ops_on_paths: frozenset[str]
    """Operations on at least one path from input to output that no `none` cuts."""
    dead_edges: int
    """Edges that no input-output path uses."""


class OpAt(Frozen):
    """Operation `op` stands at edge `edge`."""

    kind: Literal["op_at"] = "op_at"
    edge: Name
    op: Name


class OpCount(Frozen):
    """The cell has exactly / at least / at most `count` edges with operation `op`."""

    kind: Literal["op_count"] = "op_count"
    op: Name
    relation: Relation
    count: Annotated[int, Field(ge=0, le=64)]


class OpOnPath(Frozen):
    """Some input-output path goes through operation `op`."""

    kind: Literal["op_on_path"] = "op_on_path"
    op: Name


class DeadEdges(Frozen):
    """The cell has exactly / at least / at most `count` edges no path uses."""

    kind: Literal["dead_edges"] = "dead_edges"
    relation: Relation
    count: Annotated[int, Field(ge=0, le=64)]


class AllOf(Frozen):
    """Every part holds."""

    kind: Literal["all_of"] = "all_of"
    parts: Annotated[tuple["Condition", ...], Field(min_length=1, max_length=8)]


class AnyOf(Frozen):
    """Some part holds."""

    kind: Literal["any_of"] = "any_of"
    parts: Annotated[tuple["Condition", ...], Field(min_length=1, max_length=8)]


class Not(Frozen):
    """The part does not hold."""

    kind: Literal["not"] = "not"
    part: "Condition"


Condition: TypeAlias = Annotated[
    OpAt | OpCount | OpOnPath | DeadEdges | AllOf | AnyOf | Not, Field(discriminator="kind")
]

for _recursive in (AllOf, AnyOf, Not):
    _recursive.model_rebuild()


Leaf: TypeAlias = OpAt | OpCount | OpOnPath | DeadEdges


def leaves(condition: Condition, depth: int = 1) -> Iterator[tuple[Leaf, int]]:
    """The parts of a condition that speak of a cell itself, each with its depth of nesting."""
    match condition:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from leaves(part, depth + 1)
        case Not(part=part):
            yield from leaves(part, depth + 1)
        case _:
            yield condition, depth


def _compare(value: int, relation: Relation, bound: int) -> bool:
    return {"eq": value == bound, "ge": value >= bound, "le": value <= bound}[relation]


def matches(condition: Condition, facts: CellFacts) -> bool:
    """Whether a cell with these facts meets the condition."""
    match condition:
        case OpAt(edge=edge, op=op):
            return facts.op_at.get(edge) == op
        case OpCount(op=op, relation=relation, count=count):
            return _compare(sum(o == op for o in facts.op_at.values()), relation, count)
        case OpOnPath(op=op):
            return op in facts.ops_on_paths
        case DeadEdges(relation=relation, count=count):
            return _compare(facts.dead_edges, relation, count)
        case AllOf(parts=parts):
            return all(matches(p, facts) for p in parts)
        case AnyOf(parts=parts):
            return any(matches(p, facts) for p in parts)
        case Not(part=part):
            return not matches(part, facts)
        case _:
            assert_never(condition)


def in_words(condition: Condition) -> str:
    """The condition as an English noun phrase that follows 'cells with'."""
    match condition:
        case OpAt(edge=edge, op=op):
            return f"{op} on edge {edge}"
        case OpCount(op=op, relation=relation, count=count):
            return f"{_WORDS[relation]} {count} {op}"
        case OpOnPath(op=op):
            return f"{op} on a path from input to output"
        case DeadEdges(relation=relation, count=count):
            return f"{_WORDS[relation]} {count} dead edges"
        case AllOf(parts=parts):
            return "(" + " and ".join(in_words(p) for p in parts) + ")"
        case AnyOf(parts=parts):
            return "(" + " or ".join(in_words(p) for p in parts) + ")"
        case Not(part=part):
            return f"not ({in_words(part)})"
        case _:
            assert_never(condition)


def canonical(condition: Condition) -> Condition:
    """The same predicate in one spelling: flat, sorted, without double negation or repeats.

    `not (at least 2 X)` becomes `at most 1 X`; `at least 0 X` stays as it is, because an
    always-true condition is for evidence to refuse, not for spelling to hide.
    """
    match condition:
        case Not(part=Not(part=inner)):
            return canonical(inner)
        case Not(part=OpCount() | DeadEdges() as counted) if counted.relation != "eq":
            return _negated_count(counted)
        case Not(part=part):
            inside = canonical(part)
            return Not(part=inside) if inside == part else canonical(Not(part=inside))
        case AllOf():
            parts = _flat(condition, AllOf)
            return parts[0] if len(parts) == 1 else AllOf(parts=parts)
        case AnyOf():
            parts = _flat(condition, AnyOf)
            return parts[0] if len(parts) == 1 else AnyOf(parts=parts)
        case _:
            return condition


def _negated_count(counted: OpCount | DeadEdges) -> Condition:
    if counted.relation == "ge" and counted.count > 0:
        return counted.model_copy(update={"relation": "le", "count": counted.count - 1})
    if counted.relation == "le" and counted.count < _MAX_COUNT:
        return counted.model_copy(update={"relation": "ge", "count": counted.count + 1})
    return Not(part=counted)


def _flat(group: "AllOf | AnyOf", kind: "type[AllOf] | type[AnyOf]") -> "tuple[Condition, ...]":
    """Canonical parts of a group, nested groups of its own kind opened, sorted, unique.

    Opening stops at eight parts, the most a group may hold.
    """
    parts = {canonical(p).model_dump_json(): canonical(p) for p in group.parts}
    for text, part in list(parts.items()):
        if isinstance(part, kind) and len(parts) - 1 + len(part.parts) <= _MAX_PARTS:
            del parts[text]
            parts |= {p.model_dump_json(): p for p in part.parts}
    return tuple(parts[text] for text in sorted(parts))


class Effect(Frozen):
    """What the condition does to an objective; `size` is in `unit`, positive, or unknown."""

    objective: Objective
    direction: Literal["raises", "lowers"]
    size: Annotated[float, Field(ge=0)] | None = None

    @property
    def unit(self) -> str:
        """Unit of `size`: % of accuracy, ms of latency or mJ of energy."""
        return {"accuracy": "%", "latency": "ms", "energy": "mJ"}[self.objective]

    @property
    def sign(self) -> int:
        """+1 when the objective goes up, -1 when it goes down."""
        return 1 if self.direction == "raises" else -1


class Scope(Frozen):
    """Where a claim is meant to hold; an empty tuple means everywhere."""

    space: str = ""
    datasets: tuple[Name, ...] = ()
    devices: tuple[Name, ...] = ()
    niches: tuple[Name, ...] = ()


class Origin(Frozen):
    """Who proposed a claim, when, and from which cells."""

    source: str
    run: str = ""
    generation: int = 0
    cells: tuple[str, ...] = ()


class Claim(Frozen):
    """A testable design heuristic; `wording` keeps the proposer's own sentence."""

    condition: Condition
    effect: Effect
    scope: Scope
    origin: Origin
    wording: Text = ""

    @property
    def statement(self) -> str:
        """One sentence rendered from the typed part."""
        where = [*self.scope.datasets, *self.scope.devices, *self.scope.niches]
        size = "" if self.effect.size is None else f" by {self.effect.size:.3g} {self.effect.unit}"
        tail = f" ({', '.join(where)})" if where else ""
        phrase = in_words(self.condition).removeprefix("(").removesuffix(")")
        return f"{phrase} {self.effect.direction} {self.effect.objective}{size}{tail}"

    @property
    def key(self) -> str:
        """Canonical identity: condition, objective, direction, scope; 16 hex digits."""
        core: dict[str, object] = {
            "condition": canonical(self.condition).model_dump(),
            "objective": self.effect.objective,
            "direction": self.effect.direction,
            "scope": {
                "space": self.scope.space,
                "datasets": sorted(self.scope.datasets),
                "devices": sorted(self.scope.devices),
                "niches": sorted(self.scope.niches),
            },
        }
        return hashlib.sha256(json.dumps(core, sort_keys=True).encode()).hexdigest()[:16]


class Evidence(Frozen):
    """What measured cells say of a claim. `mean_effect` is signed, in the effect's unit."""

    method: Literal["matched pairs", "regression", "none"] = "none"
    n_for: int = 0
    n_against: int = 0
    mean_effect: float = 0.0
    low: float = 0.0
    high: float = 0.0
    """90 % interval of the mean effect."""
    counter_examples: tuple[str, ...] = ()
    p_value: float | None = None
    """One-sided: chance of an effect this clear in the claimed direction if there were none."""
    cells: int = 0
    """Measured cells the numbers rest on."""
    contexts: tuple[str, ...] = ()
    """`dataset/device` pairs whose cells were used."""
    runs: int = 0
    """Runs that measured those cells."""
    spread: float = 0.0
    """Standard deviation of the objective over those cells, the yardstick for effects."""
    typical_error_pct: float | None = None
    """Classification error in % at which an effect on accuracy is given (median measured cell)."""


class Heuristic(Frozen):
    """A claim as the store holds it: with status, evidence, lift and, when retrieved, a reason."""

    id: str
    claim: Claim
    status: Status
    evidence: Evidence
    lift: float | None = None
    """Mean hypervolume gain of children made with it minus those made without it."""
    lift_low: float | None = None
    lift_high: float | None = None
    """90 % interval of `lift`; both None until it has been shown and withheld often enough."""
    lift_calls: int = 0
    """Designer calls `lift` rests on, with and without it."""
    valid_lift: float | None = None
    """Share of valid children made with it minus that of those made without it."""
    valid_low: float | None = None
    valid_high: float | None = None
    """90 % interval of `valid_lift`."""
    benched: bool = False
    """Whether retrieval leaves it out because it did harm."""
    conflicts: tuple[str, ...] = ()
    """Ids of claims that say the opposite, here or in another scope."""
    examples: tuple[str, ...] = ()
    """Measured cells that meet the condition, best first."""
    why: str = ""
