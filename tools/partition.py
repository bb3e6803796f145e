"""Partitions of a space into complexity niches, and moves that stay inside one.

`conv3x3` is the method's S0..S5 (arXiv 2510.01472). The others are controls: `none` (one
niche), `random` (parts of the sizes of S0..S5, cells dealt at random), `count:OP` (exact
count of one operation).
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from llm_nas.domain import Cell, IntArray, Niche
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace

CONV3, CONV1 = "nor_conv_3x3", "nor_conv_1x1"


class LabelledPartition:
    """A partition given by one niche label per cell; implements `llm_nas.ports.Partition`."""

    def __init__(
        self, name: str, space: SearchSpace, niches: Sequence[Niche], labels: IntArray
    ) -> None:
        """Take `labels` `(space.size,)`, positions in `niches`; every niche needs a cell."""
        empty = sorted(set(range(len(niches))) - set(np.unique(labels).tolist()))
        if empty:
            raise RequestError(f"partition {name}: no cell in niche {niches[empty[0]].id}")
        self.name = name
        self.niches = tuple(niches)
        self._space = space
        self._labels = labels
        self._members = {
            niche.id: np.flatnonzero(labels == position) for position, niche in enumerate(niches)
        }

    def niche_of(self, cell: Cell) -> str:
        """Id of the niche that holds a cell."""
        return self.niches[int(self._labels[self._space.index(cell)])].id

    def labels(self) -> IntArray:
        """Position in `niches` of every cell's niche, `(size,)`."""
        return self._labels

    def members(self, niche: str) -> IntArray:
        """Sorted indices of the cells of a niche."""
        if niche not in self._members:
            raise RequestError(f"niche {niche!r}: expected one of {', '.join(self._members)}")
        return self._members[niche]


def _count(space: SearchSpace, op: str) -> IntArray:
    if op not in space.operations:
        raise RequestError(f"operation {op!r}: expected one of {', '.join(space.operations)}")
    counts: IntArray = np.sum(space.codes() == space.operations.index(op), axis=1)
    return counts


def _conv3x3(space: SearchSpace) -> LabelledPartition:
    threes, ones = _count(space, CONV3), _count(space, CONV1)
    labels = np.where(threes == 0, np.where(ones == 0, 0, 1), np.minimum(threes, 4) + 1)
    rules = (
        f"no {CONV3} and no {CONV1}",
        f"no {CONV3} and at least one {CONV1}",
        f"exactly one {CONV3}",
        f"exactly two {CONV3}",
        f"exactly three {CONV3}",
        f"four or more {CONV3}",
    )
    niches = [Niche(id=f"S{i}", rule=rule) for i, rule in enumerate(rules)]
    return LabelledPartition("conv3x3", space, niches, labels)


def _none(space: SearchSpace) -> LabelledPartition:
    niche = Niche(id="all", rule="any cell")
    return LabelledPartition("none", space, [niche], np.zeros(space.size, dtype=np.int64))


def _random(space: SearchSpace, rng: np.random.Generator) -> LabelledPartition:
    labels = rng.permutation(_conv3x3(space).labels())
    rules = [f"part {i} of a random deal" for i in range(labels.max() + 1)]
    niches = [Niche(id=f"R{i}", rule=rule) for i, rule in enumerate(rules)]
    return LabelledPartition("random", space, niches, labels)


def _by_count(space: SearchSpace, op: str) -> LabelledPartition:
    counts = _count(space, op)
    niches = [Niche(id=f"N{n}", rule=f"exactly {n} {op}") for n in range(counts.max() + 1)]
    return LabelledPartition(f"count:{op}", space, niches, counts)


NAMES = ("conv3x3", "auto[:K]", "none", "random", "count:OP", "latency:K", "flops:K", "params:K")
"""Partitions by name, here and in `partition_auto`."""


def make_partition(space: SearchSpace, name: str = "conv3x3", seed: int = 0) -> Partition:
    """Build a partition by name: `conv3x3`, `none`, `random` (dealt by `seed`) or `count:OP`."""
    if name == "conv3x3":
        return _conv3x3(space)
    if name == "none":
        return _none(space)
    if name == "random":
        return _random(space, np.random.default_rng(seed))
    if name.startswith("count:"):
        return _by_count(space, name.removeprefix("count:"))
    raise RequestError(f"partition {name!r}: expected {', '.join(NAMES)}")


def sample(partition: Partition, niche: str, rng: np.random.Generator, n: int = 1) -> IntArray:
    """Draw `n` indices uniformly (with replacement) from a niche, `(n,)`."""
    return rng.choice(partition.members(niche), size=n)


def mutations(space: SearchSpace, partition: Partition, niche: str, index: int) -> IntArray:
    """Indices of the one-edge neighbours of a cell that lie in the niche, `(k,)`, k may be 0."""
    near = np.array([space.index(c) for c in space.neighbours(space.cell(index))])
    inside: IntArray = near[np.isin(near, partition.members(niche), assume_unique=True)]
    return inside


def crossings(
    space: SearchSpace, partition: Partition, niche: str, first: int, second: int
) -> IntArray:
    """Indices of all other cells of the niche that take every edge from one of two parents."""
    a, b = np.array(space.cell(first)), np.array(space.cell(second))
    differing = np.flatnonzero(a != b)
    choice = np.array(list(product((0, 1), repeat=len(differing))))
    children = np.tile(a, (len(choice), 1))
    children[:, differing] = np.where(choice == 1, b[differing], a[differing])
    indices = np.array([space.index(tuple(c)) for c in children.tolist()])
    keep = np.isin(indices, partition.members(niche)) & ~np.isin(indices, [first, second])
    inside: IntArray = indices[keep]
    return inside


def mutate(
    space: SearchSpace, partition: Partition, niche: str, index: int, rng: np.random.Generator
) -> int:
    """One uniform niche-preserving mutation; a fresh sample where no neighbour is inside."""
    near = mutations(space, partition, niche, index)
    return int(rng.choice(near)) if len(near) else int(sample(partition, niche, rng)[0])


def cross(
    space: SearchSpace,
    partition: Partition,
    niche: str,
    first: int,
    second: int,
    rng: np.random.Generator,
) -> int:
    """One uniform niche-preserving crossover; a mutation of `first` where no child is inside."""
    children = crossings(space, partition, niche, first, second)
    if len(children):
        return int(rng.choice(children))
    return mutate(space, partition, niche, first, rng)
