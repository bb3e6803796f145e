"""Architectures an advisor may choose from, with what is known of them without a training."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from llm_nas.domain import Arch, BoolArray, FloatArray, IntArray, Limits, Measurement, Metric
from llm_nas.errors import RequestError
from llm_nas.ports import Enumerable, LatencyModel, SearchSpace
from llm_nas.tools.advisor.improvement import staircase_mask
from llm_nas.tools.advisor.limits import feasibility

LISTED = 20_000
"""Spaces of up to this many members are looked at as a whole."""
CACHED = 40_000
"""Architectures whose description is kept."""
SCALED_ON = 256
"""Members drawn to put features on comparable scales."""
FIRST, NEXT, ROUNDS, TOP = 600, 300, 2, 30
"""Sizes of a pool's first and later rounds, how many later rounds, and parents of each."""
NEAR, TWICE = 0.35, 0.3
"""Shares of children that are neighbours, and that have up to two changes; the rest cross."""
PARENTS = 40
"""Trained networks near the front that a pool starts from."""
_NEIGHBOURS = 400
"""Neighbours looked at of one architecture."""


@dataclass(frozen=True, slots=True)
class Described:
    """Architectures and what is known of each without a training."""

    archs: tuple[Arch, ...]
    features: FloatArray
    """`(n, d)`"""
    latency_ms: FloatArray
    deviation_ms: FloatArray
    """Of the latency, `(n,)`; 0 where it is exact."""
    feasible: FloatArray
    """Probability of meeting all limits; 0 where the device gives no latency."""

    def take(self, which: IntArray | BoolArray) -> "Described":
        """Some of them."""
        positions = np.flatnonzero(which) if which.dtype == np.bool_ else which
        return Described(
            tuple(self.archs[i] for i in positions.tolist()),
            self.features[positions],
            self.latency_ms[positions],
            self.deviation_ms[positions],
            self.feasible[positions],
        )

    def joined(self, other: "Described") -> "Described":
        """These and those."""
        return Described(
            (*self.archs, *other.archs),
            np.vstack([self.features, other.features]),
            np.concatenate([self.latency_ms, other.latency_ms]),
            np.concatenate([self.deviation_ms, other.deviation_ms]),
            np.concatenate([self.feasible, other.feasible]),
        )


class Catalogue:
    """Describes architectures of one space on one device, and remembers those it described."""

    def __init__(self, space: SearchSpace, latency: LatencyModel, limits: Limits) -> None:
        """`latency` is asked anew in every generation unless it has no doubts."""
        self.space, self._latency, self._limits = space, latency, limits
        rng = np.random.default_rng(0)
        drawn = space.features([space.sample(rng) for _ in range(SCALED_ON)])
        self._centre, spread = drawn.mean(axis=0), drawn.std(axis=0)
        self._spread = np.where(spread > 1e-9, spread, 1.0)
        self._features: dict[Arch, FloatArray] = {}
        self._latencies: dict[Arch, tuple[float, float]] = {}
        self._neighbours: dict[Arch, tuple[Arch, ...]] = {}
        self._all: Described | None = None

    def features(self, archs: Sequence[Arch]) -> FloatArray:
        """Features on comparable scales, `(n, d)`."""
        missing = [a for a in dict.fromkeys(archs) if a not in self._features]
        if len(self._features) > CACHED:
            self._features.clear()
            missing = list(dict.fromkeys(archs))
        if missing:
            raw = (self.space.features(missing) - self._centre) / self._spread
            self._features.update(zip(missing, raw, strict=True))
        return np.stack([self._features[a] for a in archs])

    def latencies(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation in ms, `(n,)` each; NaN where the device gives none."""
        if len(self._latencies) > CACHED:
            self._latencies.clear()
        missing = [a for a in dict.fromkeys(archs) if a not in self._latencies]
        if missing:
            mean, deviation = self._latency.predict(missing)
            found = zip(mean.tolist(), deviation.tolist(), strict=True)
            self._latencies.update(zip(missing, found, strict=True))
        both = np.array([self._latencies[a] for a in archs], dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def forget_latencies(self) -> None:
        """Drop what was predicted: timings were added since."""
        self._latencies.clear()
        if self._all is not None and np.any(self._all.deviation_ms > 0):
            self._all = None

    def describe(self, archs: Sequence[Arch]) -> Described:
        """What is known of some architectures."""
        latency, deviation = self.latencies(archs)
        feasible = feasibility(self.space, self._limits, archs, latency, deviation)
        return Described(tuple(archs), self.features(archs), latency, deviation, feasible)

    def everything(self) -> Described | None:
        """All members of a space that can be listed, the fastest of every set of twins."""
        if not isinstance(self.space, Enumerable) or len(self.space) > LISTED:
            return None
        if self._all is None:
            archs = list(self.space)
            latency, _ = self.latencies(archs)
            self._all = self.describe(fastest_twins(self.space, archs, latency))
        return self._all

    def neighbours(self, arch: Arch) -> tuple[Arch, ...]:
        """Members with one choice changed."""
        if arch not in self._neighbours:
            if len(self._neighbours) > CACHED // 100:
                self._neighbours.clear()
            self._neighbours[arch] = tuple(islice(self.space.neighbours(arch), _NEIGHBOURS))
        return self._neighbours[arch]


def fastest_twins(space: SearchSpace, archs: Iterable[Arch], latency_ms: FloatArray) -> list[Arch]:
    """Of every set of texts of one network, the one with the least latency; NaN never.

    Twins differ in accuracy only by noise, so no other one can be worth training.
    """
    best: dict[Arch, tuple[float, Arch]] = {}
    for arch, latency in zip(archs, latency_ms.tolist(), strict=True):
        if latency != latency:
            continue
        twin = space.twin(arch)
        if twin not in best or latency < best[twin][0]:
            best[twin] = latency, arch
    return [arch for _, arch in best.values()]


def drawn(
    catalogue: Catalogue, parents: Sequence[Arch], size: int, rng: np.random.Generator
) -> list[Arch]:
    """About `size` architectures: a tenth fresh, the others children of `parents`."""
    fresh = max(8, size // 10) if parents else size
    found = [_sampled(catalogue.space, rng) for _ in range(fresh)]
    for _ in range(size - len(found)):
        found.append(_child(catalogue, parents, rng))
    return list(dict.fromkeys(arch for arch in found if arch is not None))


def _sampled(space: SearchSpace, rng: np.random.Generator) -> Arch | None:
    try:
        return space.sample(rng)
    except RequestError:
        return None


def _child(catalogue: Catalogue, parents: Sequence[Arch], rng: np.random.Generator) -> Arch:
    """A neighbour of a parent, or a crossing of it with another neighbour or another parent.

    Only parents are asked for neighbours, which are costly to list in large spaces and
    remembered; crossing two neighbours of one parent changes up to two choices.
    """
    parent = parents[int(rng.integers(len(parents)))]
    arch, kind = _near(catalogue, parent, rng), rng.random()
    if kind < NEAR:
        return arch
    if kind < NEAR + TWICE:
        return catalogue.space.cross(arch, _near(catalogue, parent, rng), rng)
    other = parents[int(rng.integers(len(parents)))]
    return catalogue.space.cross(arch, other, rng)


def _near(catalogue: Catalogue, arch: Arch, rng: np.random.Generator) -> Arch:
    around = catalogue.neighbours(arch)
    return around[int(rng.integers(len(around)))] if around else arch


def near_front(metric: Metric, measured: Sequence[Measurement]) -> list[Arch]:
    """Trained networks in layers of non-domination, the front first, about `PARENTS` of them."""
    errors = metric.errors(np.array([m.value for m in measured], dtype=np.float64))
    latency = np.array([m.latency_ms for m in measured], dtype=np.float64)
    left, found = np.arange(len(measured)), list[Arch]()
    while len(left) and len(found) < PARENTS:
        front = staircase_mask(latency[left], errors[left])
        found += [measured[i].arch for i in left[front].tolist()]
        left = left[~front]
    return found


def grown(
    catalogue: Catalogue,
    parents: Sequence[Arch],
    offered: Sequence[Arch],
    gain: Callable[[Described], FloatArray],
    rng: np.random.Generator,
) -> Described:
    """A pool: children of `parents`, what is offered, and rounds around the most promising."""
    archs = list(dict.fromkeys([*offered, *drawn(catalogue, parents, FIRST, rng)]))
    for _ in range(ROUNDS):
        gains = gain(catalogue.describe(archs))
        top = [archs[int(i)] for i in np.argsort(-gains, kind="stable")[:TOP]]
        archs = list(dict.fromkeys([*archs, *drawn(catalogue, top, NEXT, rng)]))
    return catalogue.describe(archs)
