"""Niche-preserving moves on architecture strings; implements `llm_nas.ports.Moves`."""

from functools import lru_cache

import numpy as np

from llm_nas.claims import CellFacts
from llm_nas.domain import FloatArray, IntArray
from llm_nas.ports import Partition, SearchSpace
from llm_nas.tools.partition import crossings, mutations


class NicheMoves:
    """The moves of `llm_nas.tools.partition` for agents, which know cells as strings.

    Where latencies `(size,)` are given, cells without one (NaN) are not proposed: they could
    not be measured.
    """

    def __init__(
        self, space: SearchSpace, partition: Partition, latency_ms: FloatArray | None = None
    ) -> None:
        self._space = space
        self._partition = partition
        everything = np.ones(space.size, dtype=np.bool_)
        self._known = everything if latency_ms is None else np.isfinite(latency_ms)
        self.facts = lru_cache(maxsize=4096)(self._facts)
        self.twin = lru_cache(maxsize=4096)(self._twin)

    def sample(self, niche: str, rng: np.random.Generator) -> str:
        """A uniform cell of the niche; one without a latency only where all lack one."""
        members = self._partition.members(niche)
        known = members[self._known[members]]
        return self._arch(int(rng.choice(known if len(known) else members)))

    def mutations(self, niche: str, arch: str) -> tuple[str, ...]:
        """All cells of the niche one edge away, in a fixed order."""
        near = mutations(self._space, self._partition, niche, self._index(arch))
        return self._archs(near)

    def crossings(self, niche: str, first: str, second: str) -> tuple[str, ...]:
        """All other cells of the niche that take every edge from one of two parents."""
        a, b = self._index(first), self._index(second)
        return self._archs(crossings(self._space, self._partition, niche, a, b))

    def _twin(self, arch: str) -> str:
        return self._space.format(self._space.canonical(self._space.parse(arch)))

    def _facts(self, arch: str) -> CellFacts:
        return self._space.facts(self._space.parse(arch))

    def _index(self, arch: str) -> int:
        return self._space.index(self._space.parse(arch))

    def _arch(self, index: int) -> str:
        return self._space.format(self._space.cell(index))

    def _archs(self, indices: IntArray) -> tuple[str, ...]:
        return tuple(self._arch(int(i)) for i in indices[self._known[indices]])
