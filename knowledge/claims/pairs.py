"""Pairs of networks that differ only in what a condition names.

*Drawn* pairs say what a claim means: networks of its niches, drawn at random, beside themselves
with the condition switched on by the smallest legal edit. *Matched* pairs are measured ones.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from llm_nas.claims import Claim
from llm_nas.conditions import AnyOf, Condition
from llm_nas.domain import Arch, FloatArray
from llm_nas.errors import RequestError
from llm_nas.knowledge.claims.edits import names_in, predicate, switch_on, unknown_in
from llm_nas.ports import Partition, SearchSpace

DRAWN = 64
"""Pairs a claim's effect is averaged over."""
POOL = 4 * DRAWN
"""Networks drawn at a time to find them."""
ROUNDS = 8
"""Pools drawn before a claim is given what was found: nearly all networks meet it."""
FEWEST = 12
"""Pairs below which a claim cannot be tested."""


Row: TypeAlias = tuple[Arch, float, float]
"""An architecture, its value and its latency in ms."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A network and its nearest neighbour that meets the condition."""

    without: Arch
    having: Arch


@dataclass(frozen=True, eq=False)
class Drawn:
    """Drawn pairs of one claim: features of all `having`, then all `without`, `(2 n, d)`."""

    pairs: tuple[Pair, ...]
    features: FloatArray


class PairSource:
    """Draws pairs in one space and remembers them; equal claims get equal pairs everywhere."""

    def __init__(self, space: SearchSpace, partition: Partition | None) -> None:
        """`partition` tells what a scope's niches are; without one they are unknown."""
        self.space = space
        # What is claimed of a table's rows is claimed of the family: edits may leave the rows.
        self._family: SearchSpace = getattr(space, "space", space)
        self._partition = partition
        self._pools: dict[tuple[str, ...], list[Arch]] = {}
        self._drawn: dict[str, Drawn | None] = {}

    def borrow(self, other: "PairSource") -> None:
        """Take over the pairs another source of the same space and niches has drawn."""
        if other.space.name == self.space.name:
            self._drawn = other._drawn | self._drawn

    def of(self, claim: Claim) -> Drawn | None:
        """Pairs of a claim, None when it cannot be tested in this space."""
        topic = f"{claim.condition.model_dump_json()}|{claim.scope.niches}"
        if self.why_not(claim) is not None:
            return None
        if topic not in self._drawn:
            pairs = self.pairs(claim, DRAWN, self._drawing(claim.scope.niches))
            names = [p.having for p in pairs] + [p.without for p in pairs]
            enough = len(pairs) >= FEWEST
            self._drawn[topic] = Drawn(pairs, self._family.features(names)) if enough else None
        return self._drawn[topic]

    def known(self, rows: Iterable[Row]) -> list[Row]:
        """The rows whose architecture this family has."""
        return members_of(self._family, rows)

    def why_not(self, claim: Claim) -> str | None:
        """Why a claim cannot be tested in this space; None when it can, as far as names tell."""
        if claim.scope.space not in ("", self.space.name):
            return f"it is about {claim.scope.space}"
        name = unknown_in(self.space, claim.condition)
        if name is not None:
            return f"the space {self.space.name} has no {name!r}"
        try:
            self.within(claim.scope.niches)
        except RequestError as error:
            return str(error)
        return None

    def within(self, niches: tuple[str, ...]) -> Condition | None:
        """The niches' constraint; `RequestError` for an unknown one."""
        if not niches:
            return None
        if self._partition is None:
            raise RequestError(f"unknown niche {niches[0]!r}: no partition is given")
        parts = tuple(self._partition.constraint(niche) for niche in niches)
        return parts[0] if len(parts) == 1 else AnyOf(parts=parts[:8])

    def niche_of(self, arch: Arch) -> str:
        """The niche of a network; empty without a partition."""
        return self._partition.niche_of(arch) if self._partition else ""

    def pairs(self, claim: Claim, most: int, archs: Iterable[Arch]) -> tuple[Pair, ...]:
        """Up to `most` pairs, one for each of some networks that do not meet the condition.

        Empty when the claim is untestable; gives up when the first pool gives none.
        """
        if self.why_not(claim) is not None:
            return ()
        rng = np.random.default_rng(zlib.crc32(claim.condition.model_dump_json().encode()))
        holds = predicate(self.space, claim.condition)
        found: list[Pair] = []
        for number, arch in enumerate(archs):
            if len(found) == most or (number == POOL and not found):
                break
            other = None if holds(arch) else switch_on(self._family, arch, claim.condition, rng)
            if other is not None:
                found.append(Pair(arch, other))
        return tuple(found)

    def _drawing(self, niches: tuple[str, ...]) -> Iterator[Arch]:
        """Networks of some niches, drawn as far as they are asked for."""
        for number in range(ROUNDS):
            yield from self.pool(niches, number)

    def pool(self, niches: tuple[str, ...], number: int = 0) -> list[Arch]:
        """The `number`-th few hundred networks drawn from some niches."""
        pool = self._pools.setdefault(niches, [])
        within = self.within(niches)
        seed = zlib.crc32(f"{self.space.name}|{niches}|{len(pool)}".encode())
        rng = np.random.default_rng(seed)
        while len(pool) < (number + 1) * POOL:
            pool.append(self.space.sample(rng, within))
        return pool[number * POOL : (number + 1) * POOL]


def members_of(space: SearchSpace | None, rows: Iterable[Row]) -> list[Row]:
    """The rows whose architecture a space has (None: all).

    A space may have more members for one task than for another: small images rule some out.
    """
    return [row for row in rows if space is None or is_member(space, row[0])]


def is_member(space: SearchSpace, arch: Arch) -> bool:
    """Whether a space has an architecture of this text."""
    try:
        space.parse(arch)
    except RequestError:
        return False
    return True


def matched(
    space: SearchSpace, condition: Condition, archs: Sequence[Arch]
) -> list[tuple[int, int]]:
    """Positions `(having, without)` of networks that differ only in choices the condition names.

    Empty for conditions about quantities: every choice moves them.
    """
    names = names_in(space, condition)
    if not names:
        return []
    holds = predicate(space, condition)
    alike: dict[tuple[tuple[str, object], ...], tuple[list[int], list[int]]] = {}
    for position, arch in enumerate(archs):
        rest = tuple((k, v) for k, v in space.values(arch).items() if k not in names)
        having, without = alike.setdefault(rest, ([], []))
        (having if holds(arch) else without).append(position)
    return [(a, b) for having, without in alike.values() for a in having for b in without]
