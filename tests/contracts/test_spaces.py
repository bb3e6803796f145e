"""The contract suites on every kind of space that ships or that a user may bring."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from llm_nas.domain import TaskShape
from llm_nas.ports import Partition, SearchSpace
from llm_nas.testing import PartitionContract, SpaceContract
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import Pool, open_space

FILES = Path(__file__).parents[1] / "tools" / "spaces" / "files"
SMALL = TaskShape(height=8, width=8)


@cache
def opened(name: str) -> SearchSpace:
    if name.startswith("pool of "):
        space = opened(name.removeprefix("pool of "))
        rng = np.random.default_rng(0)
        archs = [space.sample(rng) for _ in range(400)]
        return Pool(space, archs, latencies_ms={a: 1.0 + i % 37 for i, a in enumerate(archs)})
    return open_space(str(FILES / name) if ".py" in name else name, SMALL)


SHIPPED = ["nb201", "hwgpt-s", "anb", "fbnet", "mobile"]
BROUGHT = ["wide.py", "gpt.py:space", "graphs.py", "tree.py"]
POOLS = ["pool of graphs.py", "pool of anb"]


class TestSpaces(SpaceContract):
    shape = SMALL

    @pytest.fixture(params=SHIPPED + BROUGHT)
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return opened(request.param)


class TestPools(SpaceContract):
    shape = SMALL
    crosses_choice_by_choice = False

    @pytest.fixture(params=POOLS)
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return opened(request.param)


class TestPartitions(PartitionContract):
    @pytest.fixture(params=SHIPPED + BROUGHT + POOLS)
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return opened(request.param)

    @pytest.fixture
    def partition(self, space: SearchSpace) -> Partition:
        return open_partition(None, space, seed=1)


class TestControls(PartitionContract):
    @pytest.fixture(params=["nb201", "gpt.py"])
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return opened(request.param)

    @pytest.fixture(params=["none", "random", "count:first=second", "quantiles:draw:3"])
    def partition(self, space: SearchSpace, request: pytest.FixtureRequest) -> Partition:
        name = str(request.param)
        if name.startswith("count"):
            group = next(iter(space.groups))
            first = next(c for c in space.choices if c.name in space.groups[group])
            name = f"count:{group}={first.values[1]}"
        return open_partition(name, space)
