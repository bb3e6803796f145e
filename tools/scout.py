"""Fresh cells from where a search has looked least: what counter-measures measure.

Free to make: it needs the latency table and the cells measured so far, no accuracy.
"""

from collections.abc import Sequence

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, Measurement
from llm_nas.ports import Partition
from llm_nas.tools.advisor import fastest_twins
from llm_nas.tools.features import connected
from llm_nas.tools.space import NasBench201

BANDS = 10
"""Latency bands of equal numbers of cells that a niche is divided into."""

Range = tuple[float, float]


class Scout:
    """Draws unmeasured cells by niche and latency; of twins only the fastest."""

    def __init__(self, space: NasBench201, partition: Partition, latency_ms: FloatArray) -> None:
        """Take latencies `(size,)` in ms, NaN where missing."""
        self._space = space
        self._partition = partition
        self._latency = latency_ms
        self._labels = partition.labels()
        usable = np.isfinite(latency_ms) & connected(space)
        twins = space.canonical_index()
        self._candidates = np.zeros(space.size, dtype=np.bool_)
        self._candidates[fastest_twins(twins, latency_ms, usable)] = True

    def latency_ms(self, arch: str) -> float:
        """Latency of a cell, NaN where the device has none."""
        return float(self._latency[self._space.index(self._space.parse(arch))])

    def within(
        self,
        niche: str,
        ranges_ms: Sequence[Range],
        measured: Sequence[Measurement],
        rng: np.random.Generator,
    ) -> str:
        """A uniform unmeasured cell of a niche inside one of some latency ranges, or ``""``."""
        pool = self._open(measured)
        outside = np.ones(self._space.size, dtype=np.bool_)
        outside[self._partition.members(niche)] = False
        pool &= ~outside & self._inside(ranges_ms)
        cells = np.flatnonzero(pool)
        if not cells.size:
            return ""
        return self._space.format(self._space.cell(int(rng.choice(cells))))

    def thinnest(self, measured: Sequence[Measurement]) -> tuple[str, Range] | None:
        """The niche and latency band with the fewest measured per cell that has one left.

        Of equally thin ones, that with most cells left; None when every cell was measured.
        """
        taken = np.zeros(self._space.size, dtype=np.bool_)
        taken[self._indices(measured)] = True
        left = self._open(measured)
        best: tuple[float, int] | None = None
        found: tuple[str, Range] | None = None
        for position, niche in enumerate(self._partition.niches):
            own = self._labels == position
            known = self._latency[own & self._candidates]
            if not known.size:
                continue
            edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, BANDS + 1))).tolist()
            for low, high in zip(edges, edges[1:] or edges, strict=False):
                band = own & self._inside([(low, high)])
                remaining = int(np.count_nonzero(band & left))
                if not remaining:
                    continue
                share = np.count_nonzero(band & taken) / np.count_nonzero(band)
                if best is None or (share, -remaining) < best:
                    best, found = (float(share), -remaining), (niche.id, (low, high))
        return found

    def _indices(self, measured: Sequence[Measurement]) -> list[int]:
        return [self._space.index(self._space.parse(m.arch)) for m in measured]

    def _open(self, measured: Sequence[Measurement]) -> BoolArray:
        """`(size,)`: candidates that are not the twin of a measured cell."""
        twins = self._space.canonical_index()
        done = twins[self._indices(measured)]
        return np.asarray(self._candidates & ~np.isin(twins, done), dtype=np.bool_)

    def _inside(self, ranges_ms: Sequence[Range]) -> BoolArray:
        inside = np.zeros(self._space.size, dtype=np.bool_)
        for low, high in ranges_ms:
            inside |= (self._latency >= low) & (self._latency <= high)
        return inside
