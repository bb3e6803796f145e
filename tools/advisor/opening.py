"""The first generation, before anything is known: the front of zero-cost scores against latency.

No label is spent on it. Scores are assumptions, so a part of the opening is drawn at random.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from llm_nas.domain import Arch, Candidate, FloatArray
from llm_nas.errors import RequestError
from llm_nas.ports import Partition
from llm_nas.tools.advisor.improvement import staircase_mask
from llm_nas.tools.advisor.pool import Catalogue, Described, drawn
from llm_nas.tools.advisor.scores import Scores
from llm_nas.tools.spaces.space import Space

GENERATIONS = 25
CHILDREN = 250
"""Of the evolution that finds the believed front where a space cannot be listed."""
LIKELY = 0.5
"""Least probability of meeting the limits for a member of the opening."""
MANY = 3
"""Scores from which on single ones are worth following."""
HEDGED, DRAWN = 1 / 6, 1 / 12
"""Shares of the opening that do not trust the mean of all scores, because scores can mislead:
where there are many, it follows single ones; else it is drawn at random, which costs more."""
UNIFORM = 0.5
"""Share of a larger hedge whose networks repeat one kind of block, where spaces have stages."""
_TRIES = 20


class Opening:
    """Deals first candidates: spread over a believed front, the rest at random by niche."""

    def __init__(
        self,
        catalogue: Catalogue,
        partition: Partition,
        scores: Scores,
        kind: Literal["zero-cost", "random"],
        hedged: float | None = None,
    ) -> None:
        self._catalogue, self._partition, self._scores = catalogue, partition, scores
        self._informed = kind == "zero-cost" and bool(scores.names)
        self._many = len(scores.names) >= MANY
        self._hedged = (HEDGED if self._many else DRAWN) if hedged is None else hedged

    def deal(
        self, size: int, taken: frozenset[Arch], rng: np.random.Generator
    ) -> tuple[Candidate, ...]:
        """Up to `size` candidates that are no twin of what is taken."""
        chosen: list[Candidate] = []
        if self._informed:
            informed = size - round(self._hedged * size)
            chosen = self._from_front(informed, taken, rng, self._scores.names)
            if self._many:
                chosen += self._from_single(size - informed, taken, chosen, rng)
        taken |= {self._catalogue.space.twin(c.arch) for c in chosen}
        if self._hedged > HEDGED:
            chosen += self._uniform(round(UNIFORM * self._hedged * size), taken, rng)
            taken |= {self._catalogue.space.twin(c.arch) for c in chosen}
        return (*chosen, *self._at_random(size - len(chosen), taken, rng))

    def _from_front(
        self,
        size: int,
        taken: frozenset[Arch],
        rng: np.random.Generator,
        names: Sequence[str],
    ) -> list[Candidate]:
        front = believed_front(self._catalogue, self._scores, rng, names)
        twin = self._catalogue.space.twin
        fresh = np.flatnonzero([twin(arch) not in taken for arch in front.archs])
        front = front.take(fresh)
        named = ", ".join(names)
        return [
            Candidate(
                arch=front.archs[i],
                niche=self._partition.niche_of(front.archs[i]),
                origin="zero-cost",
                operator="front",
                reason=f"nothing as fast has a higher mean of {named}; no label was looked at",
            )
            for i in spread_over(front.latency_ms, self._scores.mean(front.archs, names), size)
        ]

    def _from_single(
        self,
        size: int,
        taken: frozenset[Arch],
        chosen: Sequence[Candidate],
        rng: np.random.Generator,
    ) -> list[Candidate]:
        """From the inside of fronts of single scores, in an order that is drawn."""
        found: list[Candidate] = []
        twin = self._catalogue.space.twin
        for place in rng.permutation(len(self._scores.names))[:size]:
            seen = taken | {twin(c.arch) for c in (*chosen, *found)}
            inner = self._from_front(5, seen, rng, [self._scores.names[int(place)]])[1:-1]
            found += inner[len(inner) // 2 :][:1]
        return found

    def _uniform(
        self, size: int, taken: frozenset[Arch], rng: np.random.Generator
    ) -> list[Candidate]:
        """Members with the same choices in every stage, over several niches: as people try first.

        At random nearly every network is a mixture of all kinds of blocks.
        """
        space = self._catalogue.space
        chosen: list[Candidate] = []
        if not isinstance(space, Space):
            return chosen
        seen, room = set(taken), {n.id: -(-size // 2) for n in self._partition.niches}
        for _ in range(_TRIES * size):
            arch = uniform(space, rng)
            niche = self._partition.niche_of(arch)
            if len(chosen) == size or space.twin(arch) in seen or not room[niche]:
                continue
            if self._catalogue.describe([arch]).feasible[0] >= LIKELY:
                seen.add(space.twin(arch))
                room[niche] -= 1
                reason = "the same kind of blocks everywhere, as people try first"
                chosen.append(
                    Candidate(
                        arch=arch, niche=niche, origin="uniform", operator="sample", reason=reason
                    )
                )
        return chosen

    def _at_random(
        self, size: int, taken: frozenset[Arch], rng: np.random.Generator
    ) -> list[Candidate]:
        """Random members, one of every niche in turn, in an order that is drawn."""
        niches = [niche.id for niche in self._partition.niches]
        order = [niches[int(i)] for i in rng.permutation(len(niches))]
        chosen: list[Candidate] = []
        seen = set(taken)
        empty: set[str] = set()
        while len(chosen) < size and len(empty) < len(order):
            for niche in order:
                if niche in empty or len(chosen) >= size:
                    continue
                arch = self._drawn(niche, seen, rng)
                if arch is None:
                    empty.add(niche)
                    continue
                seen.add(self._catalogue.space.twin(arch))
                reason = "drawn at random from its niche, to check beliefs by"
                chosen.append(
                    Candidate(
                        arch=arch, niche=niche, origin="random", operator="sample", reason=reason
                    )
                )
        return chosen

    def _drawn(self, niche: str, seen: set[Arch], rng: np.random.Generator) -> Arch | None:
        """A member of a niche within the limits; None when none was found."""
        space = self._catalogue.space
        within = self._partition.constraint(niche)
        for _ in range(_TRIES):
            try:
                arch = space.sample(rng, within)
            except RequestError:
                return None
            if space.twin(arch) in seen:
                continue
            if self._catalogue.describe([arch]).feasible[0] >= LIKELY:
                return arch
        return None


def uniform(space: Space, rng: np.random.Generator) -> Arch:
    """A random member whose repeated choices, where they have the same values, agree."""
    values = {c.name: c.values[int(rng.integers(len(c.values)))] for c in space.choices}
    offered = {c.name: c.values for c in space.choices}
    for names in space.groups.values():
        if len({offered[name] for name in names}) == 1:
            values |= dict.fromkeys(names, values[names[0]])
    return space.arch(values)


def believed_front(
    catalogue: Catalogue, scores: Scores, rng: np.random.Generator, names: Sequence[str]
) -> Described:
    """Members that none as fast beats in mean score, by latency."""

    def front_of(described: Described) -> Described:
        usable = described.feasible >= LIKELY
        inside = described.take(usable & scores.known(described.archs))
        kept = staircase_mask(inside.latency_ms, -scores.mean(inside.archs, names))
        front = inside.take(kept)
        return front.take(np.argsort(front.latency_ms))

    everything = catalogue.everything()
    if everything is not None:
        return front_of(everything)
    archs: Sequence[Arch] = scores.sample
    for _ in range(GENERATIONS):
        parents = front_of(catalogue.describe(archs)).archs or tuple(scores.sample)
        archs = list(dict.fromkeys([*parents, *drawn(catalogue, parents, CHILDREN, rng)]))
    return front_of(catalogue.describe(archs))


def spread_over(latency_ms: FloatArray, score: FloatArray, size: int) -> list[int]:
    """Positions of up to `size` members of a front, evenly apart in latency plus score.

    Both ends are among them. Each coordinate counts in shares of its extent, so that steps are
    as long along steep parts of the front as along flat ones.
    """
    if len(latency_ms) <= size:
        return list(range(len(latency_ms)))
    place = _shares(latency_ms) + _shares(score)
    chosen: list[int] = []
    for step in range(size):
        target = place.min() + np.ptp(place) * step / max(size - 1, 1)
        distance = np.abs(place - target)
        distance[chosen] = np.inf
        chosen.append(int(np.argmin(distance)))
    return sorted(chosen)


def _shares(values: FloatArray) -> FloatArray:
    extent = float(np.ptp(values)) or 1.0
    return np.asarray((values - values.min()) / extent, dtype=np.float64)
