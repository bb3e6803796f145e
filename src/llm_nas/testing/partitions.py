"""What every partition into niches promises."""

import numpy as np

from llm_nas.conditions import matches
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace


class PartitionContract:
    """Give fixtures `space` and `partition`."""

    members = 60

    def test_every_network_is_in_one_niche(self, space: SearchSpace, partition: Partition) -> None:
        rng = np.random.default_rng(0)
        for _ in range(self.members):
            arch = space.sample(rng)
            facts = space.facts(arch)
            holding = [n.id for n in partition.niches if matches(n.condition, facts)]
            assert holding == [partition.niche_of(arch)]

    def test_every_niche_can_be_sampled(self, space: SearchSpace, partition: Partition) -> None:
        rng = np.random.default_rng(1)
        for niche in partition.niches:
            assert partition.constraint(niche.id) == niche.condition
            for _ in range(3):
                assert partition.niche_of(space.sample(rng, niche.condition)) == niche.id

    def test_niches_have_names_and_rules(self, partition: Partition) -> None:
        ids = [niche.id for niche in partition.niches]
        assert len(set(ids)) == len(ids)
        assert all(niche.rule for niche in partition.niches)

    def test_an_unknown_niche_is_refused(self, partition: Partition) -> None:
        try:
            partition.constraint("no such niche")
        except RequestError:
            return
        raise AssertionError("an unknown niche has a constraint")
