"""Ways to a new member of a niche, for agents; implements `llm_nas.ports.Moves`."""

import numpy as np

from llm_nas.conditions import matches
from llm_nas.domain import Arch
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace

_TRIES = 60


class NicheMoves:
    """Samples, mutations and crossings of a space that stay inside one niche of a partition."""

    def __init__(self, space: SearchSpace, partition: Partition) -> None:
        self._space = space
        self._partition = partition

    def sample(self, niche: str, rng: np.random.Generator) -> Arch:
        """A random member of the niche."""
        return self._space.sample(rng, self._partition.constraint(niche))

    def mutations(self, niche: str, arch: Arch) -> tuple[Arch, ...]:
        """All members of the niche with one choice changed, in a fixed order."""
        return tuple(a for a in self._space.neighbours(arch) if self._inside(niche, a))

    def mutate(self, niche: str, arch: Arch, rng: np.random.Generator) -> Arch:
        """A member of the niche with one choice changed; a fresh sample where there is none."""
        near = list(self._space.neighbours(arch))
        for place in rng.permutation(len(near)):
            if self._inside(niche, near[int(place)]):
                return near[int(place)]
        return self._another(niche, (arch,), rng)

    def cross(self, niche: str, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """A crossing inside the niche that is no parent; a mutation where none is found."""
        for _ in range(_TRIES):
            child = self._space.cross(first, second, rng)
            if child not in (first, second) and self._inside(niche, child):
                return child
        return self.mutate(niche, first, rng)

    def _inside(self, niche: str, arch: Arch) -> bool:
        return matches(self._partition.constraint(niche), self._space.facts(arch))

    def _another(self, niche: str, known: tuple[Arch, ...], rng: np.random.Generator) -> Arch:
        """A fresh member; `RequestError` where the niche seems to hold nothing else."""
        for _ in range(_TRIES):
            arch = self.sample(niche, rng)
            if arch not in known:
                return arch
        raise RequestError(f"niche {niche} of {self._space.name}: found no other network in it")
