"""What every Designer and every method of a comparison promises."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from llm_nas.domain import ACCURACY, Arch, ContextName, FloatArray, Limits, Measurement, Niche
from llm_nas.evaluation.controls import Control, Problem
from llm_nas.ports import Designer, Moves, NicheView, Partition, SearchSpace
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import NicheMoves

_SLOTS = 4


def _latencies_ms(archs: Sequence[Arch]) -> FloatArray:
    """Made up, and the same for every architecture at every call."""
    return np.array([1.0 + sum(arch.encode()) % 97 / 10 for arch in archs])


class DesignerContract:
    """Give fixtures `space` and `make`: a function of space and moves, or a class."""

    @pytest.fixture
    def partition(self, space: SearchSpace) -> Partition:
        return open_partition(None, space)

    @pytest.fixture
    def designer(
        self,
        space: SearchSpace,
        partition: Partition,
        make: Callable[[SearchSpace, Moves], Designer],
    ) -> Designer:
        return make(space, NicheMoves(space, partition))

    def view(self, space: SearchSpace, niche: Niche, known: int) -> NicheView:
        """A niche in which `known` networks were trained."""
        rng = np.random.default_rng(17)
        archs = list(dict.fromkeys(space.sample(rng, niche.condition) for _ in range(known)))
        rows = [
            Measurement(
                arch=arch,
                niche=niche.id,
                generation=0,
                value=90.0 - 3.0 / ms,
                latency_ms=ms,
                latency_low_ms=ms,
                latency_high_ms=ms,
            )
            for arch, ms in zip(archs, _latencies_ms(archs).tolist(), strict=True)
        ]
        return NicheView(
            context=ContextName(space=space.name, task="task", device="device"),
            metric=ACCURACY,
            niche=niche,
            generation=1,
            slots=_SLOTS,
            limits=Limits(),
            archive=tuple(sorted(rows, key=lambda row: row.latency_ms)[:2]),
            measured=tuple(rows),
            gaps_ms=(),
            failures=(),
        )

    @pytest.mark.parametrize("known", [0, 5])
    def test_it_proposes_candidates_for_its_niche(
        self, space: SearchSpace, partition: Partition, designer: Designer, known: int
    ) -> None:
        for niche in partition.niches:
            given = designer.propose(self.view(space, niche, known), (), np.random.default_rng(0))
            assert len(given) <= 10 * _SLOTS
            assert all(candidate.niche == niche.id for candidate in given)
            assert all(candidate.origin for candidate in given)

    def test_something_it_proposes_is_a_member(
        self, space: SearchSpace, partition: Partition, designer: Designer
    ) -> None:
        given = [
            candidate
            for niche in partition.niches
            for candidate in designer.propose(
                self.view(space, niche, 5), (), np.random.default_rng(1)
            )
        ]
        assert any(space.parse(candidate.arch) for candidate in given)

    def test_equal_generators_give_equal_proposals(
        self, space: SearchSpace, partition: Partition, designer: Designer
    ) -> None:
        view = self.view(space, partition.niches[0], 5)
        first, again = (designer.propose(view, (), np.random.default_rng(3)) for _ in range(2))
        assert first == again

    def test_it_says_what_it_is(self, designer: Designer) -> None:
        assert designer.source


class MethodContract:
    """Give fixtures `space` and `make`: a function of problem and seed, or a class."""

    trainings = 12

    def problem(self, space: SearchSpace) -> Problem:
        """A place of which everything but latencies is unknown."""
        partition = open_partition(None, space)

        def opening(count: int, rng: np.random.Generator) -> Sequence[Arch]:
            return [space.sample(rng) for _ in range(count)]

        return Problem(space, partition, _latencies_ms, opening)

    def asked(
        self, space: SearchSpace, make: Callable[[Problem, int], Control], seed: int
    ) -> list[Arch]:
        """What a method asks for; every fourth training fails."""
        problem = self.problem(space)
        method, found = make(problem, seed), list[Arch]()
        for turn in range(self.trainings):
            arch = method.ask()
            if arch is None:
                break
            assert problem.is_open(arch), f"{arch} was asked for twice, or cannot run"
            problem.take(arch)
            found.append(arch)
            failed = turn % 4 == 3
            method.tell(arch, None if failed else (10.0 + turn % 5, problem.latency_ms(arch)))
        return found

    def test_it_asks_for_members_each_once(
        self, space: SearchSpace, make: Callable[[Problem, int], Control]
    ) -> None:
        found = self.asked(space, make, 0)
        assert found
        assert [space.parse(arch) for arch in found] == found

    def test_equal_seeds_ask_for_the_same(
        self, space: SearchSpace, make: Callable[[Problem, int], Control]
    ) -> None:
        assert self.asked(space, make, 5) == self.asked(space, make, 5)

    def test_other_seeds_ask_for_something_else(
        self, space: SearchSpace, make: Callable[[Problem, int], Control]
    ) -> None:
        assert self.asked(space, make, 5) != self.asked(space, make, 6)
