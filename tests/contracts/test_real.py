"""Trainings and timings here and now keep the contracts of every task and device."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_nas.domain import TaskShape
from llm_nas.ports import Device, Task
from llm_nas.testing import DeviceContract, TaskContract
from llm_nas.tools.devices.real import open_real_device
from llm_nas.tools.spaces.space import Space
from llm_nas.tools.tasks.real import open_real_task
from tests.tools.small_space import small_space

SPACE = small_space()


class TestTrainings(TaskContract):
    @pytest.fixture
    def space(self) -> Space:
        return SPACE

    @pytest.fixture
    def task(self, tmp_path: Path) -> Task:
        folder = tmp_path
        task = open_real_task("digits", SPACE, epochs=1, folder=folder, isolated=False)
        few = task.data.train.rows(np.arange(128, dtype=np.int64))
        task.data = replace(task.data, train=few)
        return task


class TestHost(DeviceContract):
    @pytest.fixture
    def space(self) -> Space:
        return SPACE

    @pytest.fixture
    def device(self) -> Iterator[Device]:
        device = open_real_device("host", SPACE, TaskShape(height=8, width=8))
        yield device
        device.close()
