"""The suites find what they are there to find."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from llm_nas.choices import Choice
from llm_nas.conditions import Quantity
from llm_nas.domain import Arch, FloatArray, Niche
from llm_nas.testing import PartitionContract, SpaceContract
from llm_nas.tools.niches import ConditionPartition
from llm_nas.tools.spaces import Space

CHOICES = [Choice(f"k{i}", (3, 5, 7), ordered=True) for i in range(6)]


class Transductive(Space):
    """Features that look at the other members asked for."""

    def features(self, archs: Sequence[Arch]) -> FloatArray:
        raw = super().features(archs)
        return raw - raw.mean(axis=0) if len(archs) else raw


class Standing(Space):
    """Neighbours that hold the architecture itself."""

    def neighbours(self, arch: Arch) -> Iterator[Arch]:
        yield arch
        yield from super().neighbours(arch)


class Inventing(Space):
    """Crossings that take nothing from the parents."""

    def cross(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        return self.sample(rng)


class Credulous(Space):
    """A parser that takes anything."""

    def parse(self, text: str) -> Arch:
        return text


SUITE = SpaceContract()
FAULTS: list[tuple[type[Space], Callable[[Space], None]]] = [
    (Transductive, SUITE.test_numbers_depend_on_the_architecture_alone),
    (Standing, SUITE.test_neighbours_are_other_members_each_once),
    (Inventing, SUITE.test_crossings_take_every_choice_from_a_parent),
    (Credulous, SUITE.test_what_is_no_member_is_refused_in_one_line),
]


@pytest.mark.parametrize(("broken", "test"), FAULTS)
def test_a_broken_space_fails_where_it_is_broken(
    broken: type[Space], test: Callable[[Space], None]
) -> None:
    test(Space("sound", CHOICES))
    with pytest.raises(AssertionError):
        test(broken("broken", CHOICES))


def test_niches_that_overlap_are_found() -> None:
    space = Space("sound", CHOICES)
    ranges = Quantity(name="draw", high=0.6), Quantity(name="draw", low=0.4)
    niches = [Niche(id=f"N{i}", rule="part", condition=c) for i, c in enumerate(ranges)]
    partition = ConditionPartition("overlapping", space, niches)
    with pytest.raises(AssertionError):
        PartitionContract().test_every_network_is_in_one_niche(space, partition)
