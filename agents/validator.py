"""The Validator: legal, in its niche, new, and able to run, or rejected with a reason.

What is nearly right is put right: values that are not allowed become the nearest allowed ones, and
a network just outside its niche takes a few changed choices that bring it inside.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from llm_nas.choices import Choice
from llm_nas.conditions import (
    AllOf,
    AnyOf,
    Bound,
    Condition,
    Count,
    Facts,
    Not,
    Quantity,
    Value,
    canonical,
    matches,
)
from llm_nas.domain import Arch, Candidate, Verdict
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace

Rejection: TypeAlias = Literal[
    "illegal", "out_of_niche", "duplicate", "measured", "failed_before", "unsupported"
]
FAILED = "failed"
"""Reasons in `taken` that begin so are told as `failed_before`, all others as `measured`."""
MOST_EDITS = 4
"""Choices changed at most to bring a network into its niche."""
MOST_ILLEGAL = 4
"""Values put right at most; a text with more of them says something else."""
_PAIR = re.compile(r"([^\s=,;]+)\s*[=:]\s*([^\s,;]+)")


class SpaceValidator:
    """Checks candidates in order; implements `llm_nas.ports.Validator`."""

    def __init__(
        self,
        space: SearchSpace,
        partition: Partition,
        *,
        unsupported: Callable[[Arch], str | None] = lambda arch: None,
        repair: bool = True,
    ) -> None:
        """Take what says why a device cannot run an architecture; None when it can.

        Without `repair` what is nearly right is rejected like all that is wrong.
        """
        self._repair = repair
        self._space = space
        self._partition = partition
        self._unsupported = unsupported
        self._most_edits = MOST_EDITS if repair else 0
        self._legal = nearest_legal if repair else _as_written

    def check(
        self, niche: str, candidates: Sequence[Candidate], taken: Mapping[Arch, str]
    ) -> tuple[Verdict, ...]:
        """One verdict per candidate; `taken` says why twins are not new, by twin."""
        before: set[Arch] = set()
        verdicts: list[Verdict] = []
        for candidate in candidates:
            verdict = self._judge(niche, candidate, taken, before)
            if verdict.arch is not None:
                before.add(self._space.twin(verdict.arch))
            verdicts.append(verdict)
        return tuple(verdicts)

    def _judge(
        self, niche: str, candidate: Candidate, taken: Mapping[Arch, str], before: set[Arch]
    ) -> Verdict:
        try:
            if self._repair:
                arch, changes = self._legal(self._space, candidate.arch)
            else:
                arch, changes = self._space.parse(candidate.arch), []
        except RequestError as error:
            return _rejected(candidate, "illegal", str(error))
        inside = self._inside(niche, arch, changes)
        if inside is None:
            other = self._partition.niche_of(arch)
            return _rejected(candidate, "out_of_niche", f"lies in {other}, not in {niche}")
        twin = self._space.twin(inside)
        if twin in taken:
            kind: Rejection = "failed_before" if taken[twin].startswith(FAILED) else "measured"
            return _rejected(candidate, kind, taken[twin])
        if twin in before:
            return _rejected(candidate, "duplicate", "the same network was proposed just before")
        problem = self._unsupported(inside)
        if problem is not None:
            return _rejected(candidate, "unsupported", problem)
        return Verdict(
            candidate=candidate,
            decision="repaired" if changes else "accepted",
            kind="repaired" if changes else "ok",
            reason="; ".join(changes) or "new and legal",
            arch=inside,
        )

    def _inside(self, niche: str, arch: Arch, changes: list[str]) -> Arch | None:
        """The network, or the nearest one found inside the niche; None when it is too far."""
        condition = canonical(self._partition.constraint(niche))
        space, here, edits = self._space, arch, 0
        distance = missed(condition, space.facts(here))
        while not matches(condition, space.facts(here)):
            if edits == MOST_EDITS or not self._repair:
                return None
            near = [(missed(condition, space.facts(n)), n) for n in space.neighbours(here)]
            least = min((d for d, _ in near), default=distance)
            if least >= distance:
                return None
            here = next(n for d, n in near if d == least)
            distance, edits = least, edits + 1
        if edits:
            changes.append(f"{edits} choice(s) changed to bring it into {niche}")
        return here


def nearest_legal(space: SearchSpace, text: str) -> tuple[Arch, list[str]]:
    """The architecture a text means, and what had to be put right to make it legal.

    Values that are not allowed become the nearest number, missing ones one in the middle, up to
    `MOST_ILLEGAL` together. Raises `RequestError`, the space's own, for anything else.
    """
    try:
        return space.parse(text), []
    except RequestError as error:
        said = {key.lower(): value for key, value in _PAIR.findall(text)}
        told = {c.name: said.get(c.name.lower()) for c in space.choices}
        values = {c.name: nearest_value(c, told[c.name]) for c in space.choices}
        arch = space.arch(values)
        wrong = [
            f"{name} {told[name] or 'missing'} made {value}"
            for name, value in space.values(arch).items()
            if str(value) != told[name]
        ]
        if len(wrong) > MOST_ILLEGAL:
            raise error
        return arch, wrong or ["spelling put right"]


def _as_written(space: SearchSpace, text: str) -> tuple[Arch, list[str]]:
    return space.parse(text), []


def nearest_value(choice: Choice, spelled: str | None) -> Value:
    """The allowed value a spelling means, or the nearest number; one in the middle for None."""
    if spelled is None:
        return choice.values[len(choice.values) // 2]
    for value in choice.values:
        if str(value).lower() == spelled.lower():
            return value
    wanted = _number(spelled)
    numbers = [value for value in choice.values if not isinstance(value, str)]
    if wanted is None or not numbers:
        allowed = ", ".join(str(value) for value in choice.values)
        raise RequestError(f"{choice.name} is {spelled[:40]!r}, expected one of {allowed}")
    return min(numbers, key=lambda v: (abs(v - wanted), v))


def _number(spelled: str) -> float | None:
    try:
        number = float(spelled)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def missed(condition: Condition, facts: Facts) -> float:
    """How far an architecture is from meeting a condition: 0 when it does.

    One for a choice, one for every choice too many or too few of a count, and the relative
    distance of a quantity; sums over all that must hold, the least of alternatives.
    """
    match condition:
        case AllOf(parts=parts):
            return sum(missed(part, facts) for part in parts)
        case AnyOf(parts=parts):
            return min(missed(part, facts) for part in parts)
        case Count():
            return float(_count_missed(condition, facts))
        case Quantity(name=name) if name in facts.quantities:
            return _range_missed(condition, facts.quantities[name])
        case Not(part=Quantity(name=name, low=None, high=float() as high)):
            return missed(Quantity(name=name, low=high), facts)
        case Not(part=Quantity(name=name, low=float() as low, high=None)):
            return missed(Quantity(name=name, high=low), facts)
        case Bound(choice=name, value=bound) if not matches(condition, facts):
            value = facts.values.get(name)
            far = 1.0 if value is None or isinstance(value, str) else abs(value - bound)
            return 1.0 + far / (1.0 + abs(bound))
        case _:
            return 0.0 if matches(condition, facts) else 1.0


def _count_missed(condition: Count, facts: Facts) -> int:
    members = facts.groups.get(condition.group, ())
    over = sum(facts.values.get(m) in condition.values for m in members) - condition.count
    if condition.relation == "ge":
        return max(0, -over)
    return max(0, over) if condition.relation == "le" else abs(over)


def _range_missed(condition: Quantity, number: float) -> float:
    low, high = condition.low, condition.high
    if low is not None and number < low:
        return (low - number) / (abs(low) + abs(number))
    if high is not None and number >= high:
        return max((number - high) / (abs(high) + abs(number)), 1e-9)
    return 0.0


def _rejected(candidate: Candidate, kind: Rejection, reason: str) -> Verdict:
    return Verdict(candidate=candidate, decision="rejected", kind=kind, reason=reason)
