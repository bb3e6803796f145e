"""Tabulated tasks and devices keep the promises that users' own are checked for."""

import pytest

from llm_nas.ports import Device, SearchSpace, Task
from llm_nas.testing.measuring import DeviceContract, TaskContract
from llm_nas.tools.devices import open_device
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task

CONTEXTS = (
    "nb201/cifar100/edgetpu",
    "anb/imagenet/a100",
    "hwgpt-s/openwebtext/h100",
)


@pytest.fixture(params=CONTEXTS)
def context(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setenv("LLM_NAS_DATA", "")
    return tuple(str(request.param).split("/"))


@pytest.fixture
def space(context: tuple[str, ...]) -> SearchSpace:
    return open_space(context[0])


class TestTabulatedTask(TaskContract):
    @pytest.fixture
    def task(self, context: tuple[str, ...], space: SearchSpace) -> Task:
        return open_task(context[1], space)


class TestTabulatedDevice(DeviceContract):
    @pytest.fixture
    def device(self, context: tuple[str, ...], space: SearchSpace) -> Device:
        return open_device(context[2], space, context[1])
