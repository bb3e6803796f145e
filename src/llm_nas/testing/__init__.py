"""Contract suites for people who bring a part of their own.

There is one for spaces, niches, tasks, devices, Designers and methods of comparisons.

    class TestMine(SpaceContract):
        @pytest.fixture
        def space(self):
            return my_space

Run it with pytest: every test of the suite runs on what the fixture gives.
"""

from llm_nas.testing.measuring import DeviceContract, LatencyModelContract, TaskContract
from llm_nas.testing.partitions import PartitionContract
from llm_nas.testing.searching import DesignerContract, MethodContract
from llm_nas.testing.spaces import SpaceContract

__all__ = [
    "DesignerContract",
    "DeviceContract",
    "LatencyModelContract",
    "MethodContract",
    "PartitionContract",
    "SpaceContract",
    "TaskContract",
]
