"""Niches as conditions: one predicate for sampling, schemas, prompts and the Validator."""

from collections.abc import Sequence
from functools import lru_cache

from llm_nas.conditions import Condition, matches
from llm_nas.domain import Arch, Niche
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace

_REMEMBERED = 1 << 15


class ConditionPartition:
    """Niches whose conditions are disjoint and cover a space; a `llm_nas.ports.Partition`."""

    def __init__(self, name: str, space: SearchSpace, niches: Sequence[Niche]) -> None:
        """Take niches from the smallest networks to the largest, where they have an order."""
        self.name = name
        self.niches = tuple(niches)
        self._space = space
        self._conditions: dict[str, Condition] = {n.id: n.condition for n in niches}
        self.niche_of = lru_cache(maxsize=_REMEMBERED)(self._niche_of)

    def constraint(self, niche: str) -> Condition:
        """The niche's condition; `RequestError` for an unknown niche."""
        if niche not in self._conditions:
            raise RequestError(f"niche {niche!r}: expected one of {', '.join(self._conditions)}")
        return self._conditions[niche]

    def _niche_of(self, arch: Arch) -> str:
        """Id of the niche that holds an architecture."""
        facts = self._space.facts(arch)
        for niche in self.niches:
            if matches(niche.condition, facts):
                return niche.id
        raise RequestError(f"partition {self.name}: no niche holds {arch!r}")
