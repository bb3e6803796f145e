"""Contract suites for people who bring a space, niches, a task or a device of their own.

    class TestMine(SpaceContract):
        @pytest.fixture
        def space(self):
            return my_space

Run it with pytest: every test of the suite runs on what the fixture gives.
"""

from llm_nas.testing.measuring import DeviceContract, LatencyModelContract, TaskContract
from llm_nas.testing.partitions import PartitionContract
from llm_nas.testing.spaces import SpaceContract

__all__ = [
    "DeviceContract",
    "LatencyModelContract",
    "PartitionContract",
    "SpaceContract",
    "TaskContract",
]
