"""The space claims are tested on, and what a store keeps worked out about it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm_nas.claims import Claim, Objective, canonical
from llm_nas.domain import BoolArray
from llm_nas.errors import RequestError
from llm_nas.knowledge.evidence import Question
from llm_nas.knowledge.kernel import CellKernel
from llm_nas.knowledge.masks import LARGEST_SPACE, SpaceTable
from llm_nas.ports import Partition, SearchSpace

_QUESTIONS = 4096
"""Questions kept in memory (94 kB each on NAS-Bench-201)."""


@dataclass(eq=False)
class World:
    """The space claims are tested on, with masks that are worth keeping."""

    space: SearchSpace
    partition: Partition

    def __post_init__(self) -> None:
        """Start with no question worked out."""
        self._names: dict[int, str] = {}
        self._questions: dict[tuple[bool, str, tuple[str, ...]], Question | None] = {}
        self._within: dict[tuple[str, ...], BoolArray | None] = {}

    @cached_property
    def table(self) -> SpaceTable:
        """Arrays over the whole space."""
        return SpaceTable(self.space)

    @cached_property
    def _kernels(self) -> tuple[CellKernel, CellKernel]:
        """Without and with the part on operation counts."""
        return CellKernel(self.table, counts=False), CellKernel(self.table, counts=True)

    def kernel(self, objective: Objective) -> CellKernel:
        """The kernel that models an objective."""
        return self._kernels[objective == "accuracy"]

    def question(self, claim: Claim) -> Question | None:
        """What a claim asks; None when its niches or its space are unknown here."""
        if claim.scope.space not in ("", self.space.name) or self.space.size > LARGEST_SPACE:
            return None
        kernel = self.kernel(claim.effect.objective)
        condition = canonical(claim.condition)
        name = (kernel.counts, condition.model_dump_json(), claim.scope.niches)
        if name not in self._questions:
            if len(self._questions) >= _QUESTIONS:
                self._questions.clear()
            inside = self._inside(claim.scope.niches)
            self._questions[name] = (
                None
                if inside is None
                else Question.of(self.table, kernel, self.table.mask(condition), inside)
            )
        return self._questions[name]

    def _inside(self, niches: tuple[str, ...]) -> BoolArray | None:
        """`(size,)`: cells of these niches; None when one is not of this partition."""
        if niches not in self._within:
            if len(self._within) >= _QUESTIONS:
                self._within.clear()
            self._within[niches] = self._members(niches)
        return self._within[niches]

    def _members(self, niches: Sequence[str]) -> BoolArray | None:
        known = [niche.id for niche in self.partition.niches]
        if not set(niches) <= set(known):
            return None
        if not niches:
            return np.ones(self.space.size, dtype=np.bool_)
        return np.isin(self.partition.labels(), [known.index(niche) for niche in niches])

    def number(self, arch: str) -> int:
        """Index of an architecture string; `RequestError` for one this space does not know."""
        return self.space.index(self.space.parse(arch))

    def arch(self, number: int) -> str:
        """Architecture string of an index."""
        if number not in self._names:
            self._names[number] = self.space.format(self.space.cell(number))
        return self._names[number]

    def number_or_none(self, arch: str) -> int | None:
        """Index of an architecture string, None for one this space does not know."""
        try:
            return self.number(arch)
        except RequestError:
            return None

    def fingerprint(self, claim: Claim) -> str | None:
        """Equal for claims that say the same of the same cells in other words; None if unknown.

        A condition no cell or every cell of the scope meets says nothing and has none either.
        """
        question = self.question(claim)
        if question is None:
            return None
        told = np.packbits(question.mask & question.inside).tobytes()
        scope = claim.scope
        says = (claim.effect.objective, claim.effect.direction, scope.space)
        where = (sorted(scope.datasets), sorted(scope.devices), sorted(scope.niches))
        return hashlib.sha256(told + repr((says, where)).encode()).hexdigest()[:16]
