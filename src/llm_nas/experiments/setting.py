"""Contexts of a comparison, and what its methods are given there: never truth."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np

from llm_nas.domain import Arch, ContextName, Failure, FloatArray, Label, Timing
from llm_nas.errors import RequestError
from llm_nas.evaluation.controls import Door, Problem
from llm_nas.evaluation.truth import Truth, open_truth
from llm_nas.frozen import Frozen
from llm_nas.ports import Device, Partition, Task
from llm_nas.tools.contexts import Context, open_context, parse_context
from llm_nas.tools.registry import groups, tuned_on

Opened = TypeVar("Opened")

GROUPS = groups()
"""Names that stand for several contexts of the protocol."""


class Order(Frozen):
    """One run of one method: where, with which seed, for how many trainings."""

    context: ContextName
    seed: int
    trainings: int
    accuracy: Literal["trained", "predicted"] = "trained"
    labels: int = 1000
    partition: str | None = None
    opening: int = 12
    batch: int = 6
    base_url: str | None = None
    data_dir: Path | None = None


def parse_contexts(text: str) -> tuple[ContextName, ...]:
    """Contexts from a comma-separated list of `SPACE/TASK/DEVICE` and names of groups.

    Raises:
        RequestError: For a part that is neither, or none at all.
    """
    parts = [part for p in text.split(",") if (part := p.strip())]
    spelled = [name for part in parts for name in GROUPS.get(part, (part,))]
    if not spelled:
        raise RequestError("--contexts: empty; use all or SPACE/TASK/DEVICE,...")
    return tuple(dict.fromkeys(parse_context(name) for name in spelled))


def is_tuned_on(context: ContextName) -> bool:
    """Whether settings were chosen on this context."""
    return str(context).startswith(tuned_on())


class Cache(Generic[Opened]):
    """What was opened last, by name: opening takes seconds, and runs come context by context."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, Opened] = {}

    def get(self, key: str, make: Callable[[], Opened]) -> Opened:
        """What is held under a key, made where there is nothing."""
        if key not in self._held:
            if len(self._held) >= self._most:
                self._held.pop(next(iter(self._held)))
            self._held[key] = make()
        return self._held[key]

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()


CONTEXTS, TRUTHS, PREDICTED = Cache[Context](8), Cache[Truth](32), Cache[Task](4)


def opened(name: ContextName, data_dir: Path | None, seed: int) -> Context:
    """A context, opened once per process."""

    def make() -> Context:
        return open_context(name, data_dir=data_dir, seed=seed)

    return CONTEXTS.get(f"{name} {data_dir} {seed}", make)


def truth_of(name: ContextName, data_dir: Path | None) -> Truth:
    """The truth of a context, opened once per process, by the harness alone.

    Raises:
        RequestError: Where no truth is known.
    """

    def make() -> Truth:
        truth = open_truth(name, opened(name, data_dir, 0).space, data_dir)
        if truth is None:
            raise RequestError(f"context {name}: no truth is known, so nothing can be scored")
        return truth

    return TRUTHS.get(f"{name} {data_dir}", make)


def partition_of(order: Order) -> Partition:
    """The niches of an order."""
    from llm_nas.tools.niches import open_partition

    space = opened(order.context, order.data_dir, order.seed).space
    return open_partition(order.partition, space, order.seed)


def _predicted(order: Order) -> Task:
    """The predictor of an order, trained once per process: devices share it."""
    from llm_nas.tools.accuracy.predicted import open_predicted_task

    name, data_dir = order.context, order.data_dir

    def make() -> Task:
        space = opened(name, data_dir, order.seed).space
        return open_predicted_task(name.task, space, order.labels, order.seed, data_dir=data_dir)

    return PREDICTED.get(f"{name.space} {name.task} {data_dir} {order.labels} {order.seed}", make)


def task_of(order: Order) -> Task:
    """What gives labels: trainings, or predictions under protocol 1."""
    if order.accuracy == "predicted":
        return _predicted(order)
    return opened(order.context, order.data_dir, order.seed).task


def open_place(order: Order) -> tuple[Problem, Door]:
    """What a control is given: free knowledge, and the budget's door in the harness's hands."""
    context, partition, task = (
        opened(order.context, order.data_dir, order.seed),
        partition_of(order),
        task_of(order),
    )
    latencies = latencies_of(context.device)
    problem = Problem(context.space, partition, latencies, _opening(order, context, partition))

    def train(arch: Arch) -> Label | Failure:
        return task.train(arch, 1.0, order.seed)

    door = Door(train, problem.latency_ms, task.metric, order.trainings, partition.niche_of)
    return problem, door


def latencies_of(device: Device) -> Callable[[Sequence[Arch]], FloatArray]:
    """`(n,)` latencies in ms, NaN for what the device cannot run."""

    def latencies(archs: Sequence[Arch]) -> FloatArray:
        answers = device.measure(archs)
        return np.array([t.median_ms if isinstance(t, Timing) else np.nan for t in answers])

    return latencies


def _opening(
    order: Order, context: Context, partition: Partition
) -> Callable[[int, np.random.Generator], Sequence[Arch]]:
    """The same zero-cost opening that the system starts from."""

    def opening(count: int, rng: np.random.Generator) -> list[Arch]:
        from llm_nas.tools.advisor import ParetoAdvisor
        from llm_nas.tools.devices.latency_model import open_latency_model
        from llm_nas.tools.zero_cost import open_zero_cost

        name, data_dir = order.context, order.data_dir
        advisor = ParetoAdvisor(
            context.space,
            partition,
            open_latency_model(context.device, context.space),
            context.task.metric,
            context.task.chance,
            open_zero_cost(context.space, name.task, data_dir=data_dir),
        )
        return [candidate.arch for candidate in advisor.open(count, rng)]

    return opening
