"""The port of a control, and what all of them may know of the place they search."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from llm_nas.conditions import Condition
from llm_nas.domain import Arch, FloatArray
from llm_nas.errors import RequestError
from llm_nas.ports import Enumerable, Partition, SearchSpace

Point: TypeAlias = tuple[float, float]
"""(error, latency in ms) of a trained architecture, both minimised."""

TRIES = 300
"""Random draws before a space is taken to be used up (or, if it can be listed, is listed)."""


class Control(Protocol):
    """A search that asks and is told; its answer is the set of architectures it asked for."""

    def ask(self) -> Arch | None:
        """The next architecture, one never asked for; None when nothing is left."""
        ...

    def tell(self, arch: Arch, point: Point | None) -> None:
        """What the architecture last asked for turned out to be; None: its training failed."""
        ...


class Problem:
    """A place to search: its space, niches, free latencies, and what was asked for already.

    Labels and truth cannot be reached through it.
    """

    def __init__(
        self,
        space: SearchSpace,
        partition: Partition,
        latencies_ms: Callable[[Sequence[Arch]], FloatArray],
        opening: Callable[[int, np.random.Generator], Sequence[Arch]],
    ) -> None:
        """Take free knowledge.

        Args:
            space: Where to search.
            partition: Its niches.
            latencies_ms: `(n,)` of architectures; NaN where the device cannot run one.
            opening: The zero-cost opening of a given size, before anything is trained.
        """
        self.space, self.partition, self.opening = space, partition, opening
        self._latencies_ms = latencies_ms
        self._known_ms: dict[Arch, float] = {}
        self._taken: set[Arch] = set()

    def latency_ms(self, arch: Arch) -> float:
        """Free latency of one architecture; NaN where the device cannot run it."""
        if arch not in self._known_ms:
            self._known_ms[arch] = float(self._latencies_ms([arch])[0])
        return self._known_ms[arch]

    def take(self, arch: Arch) -> None:
        """Remember that an architecture, and every spelling of it, was asked for."""
        self._taken.add(self.space.twin(arch))

    def is_open(self, arch: Arch) -> bool:
        """Whether an architecture may be asked for: new, and able to run on the device."""
        return self.space.twin(arch) not in self._taken and np.isfinite(self.latency_ms(arch))

    def draw(self, rng: np.random.Generator, within: Condition | None = None) -> Arch | None:
        """A random open member, uniform as the space samples; None when none is found."""
        for _ in range(TRIES):
            try:
                arch = self.space.sample(rng, within)
            except RequestError:
                return None
            if self.is_open(arch):
                return arch
        return self._listed(rng) if within is None else None

    def _listed(self, rng: np.random.Generator) -> Arch | None:
        """The last open members of a space that can be listed."""
        if not isinstance(self.space, Enumerable):
            return None
        left = [arch for arch in self.space if self.is_open(arch)]
        return left[int(rng.integers(len(left)))] if left else None

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Open members one choice away."""
        return [near for near in self.space.neighbours(arch) if self.is_open(near)]

    def near(self, arch: Arch, rng: np.random.Generator) -> Arch | None:
        """A random open member one choice away, else anywhere."""
        found = self.neighbours(arch)
        return found[int(rng.integers(len(found)))] if found else self.draw(rng)


def spread(
    problem: Problem, rng: np.random.Generator, count: int, taken: Sequence[Arch] = ()
) -> list[Arch]:
    """Open members dealt round robin from the niches, in random order of niches.

    A niche that runs out is skipped. `taken` are members not to be drawn again.
    """
    conditions: list[Condition] = [niche.condition for niche in problem.partition.niches]
    turns: list[int] = rng.permutation(len(conditions)).tolist()
    waiting: list[Condition] = [conditions[i] for i in turns]
    found, known = list[Arch](), {problem.space.twin(arch) for arch in taken}
    while waiting and len(found) < count:
        condition = waiting.pop(0)
        arch = _new_in(problem, rng, condition, known)
        if arch is None:
            continue
        known.add(problem.space.twin(arch))
        found.append(arch)
        waiting.append(condition)
    return found


def _new_in(
    problem: Problem, rng: np.random.Generator, condition: Condition, known: set[Arch]
) -> Arch | None:
    for _ in range(TRIES):
        arch = problem.draw(rng, condition)
        if arch is None or problem.space.twin(arch) not in known:
            return arch
    return None
