"""The contract suites on tasks, devices and latency models that ship as tables."""

from functools import cache

import pytest

from llm_nas.domain import ContextName
from llm_nas.ports import Device, LatencyModel, SearchSpace, Task
from llm_nas.testing import DeviceContract, LatencyModelContract, TaskContract
from llm_nas.tools.contexts import Context, open_context
from llm_nas.tools.devices.latency_model import open_latency_model

CONTEXTS = ("nb201/cifar10/edgegpu", "anb/imagenet/a100", "hwgpt-s/openwebtext/h100")


@cache
def opened(name: str) -> Context:
    space, task, device = name.split("/")
    return open_context(ContextName(space=space, task=task, device=device))


@pytest.fixture(params=CONTEXTS)
def context(request: pytest.FixtureRequest) -> Context:
    return opened(request.param)


@pytest.fixture
def space(context: Context) -> SearchSpace:
    return context.space


@pytest.fixture
def task(context: Context) -> Task:
    return context.task


@pytest.fixture
def device(context: Context) -> Device:
    return context.device


@pytest.fixture
def latency_model(context: Context) -> LatencyModel:
    return open_latency_model(context.device, context.space)


class TestTasks(TaskContract):
    pass


class TestDevices(DeviceContract):
    pass


class TestLatencyModels(LatencyModelContract):
    pass
