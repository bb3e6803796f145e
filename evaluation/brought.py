"""The truth of a task that somebody else wrote: what `tested(space)` beside it says.

The function stands in the task's module, not on the task, so that a search, which holds the
task, cannot reach it. It gives `(n,)` true values of architectures, NaN where there is none.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from llm_nas.conditions import Value
from llm_nas.domain import Arch, ContextName, FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.truth import Truth
from llm_nas.plugins import beside
from llm_nas.ports import Enumerable, SearchSpace
from llm_nas.tools.devices.table import TableDevice
from llm_nas.tools.tasks import open_task

_MOST_LISTED = 200_000
"""Architectures of a space whose true front is computed on the spot."""


def open_brought_truth(
    context: ContextName, space: SearchSpace, device: TableDevice
) -> Truth | None:
    """The truth of a task of an entry point, `module:NAME` or a file; None where it tells none.

    Raises:
        RequestError: `tested` fails.
    """
    tested = beside("tasks", context.task, "tested")
    if tested is None:
        return None
    lookup: Callable[[Sequence[Arch]], FloatArray] = tested(space)
    task = open_task(context.task, space)

    def values(archs: Sequence[Arch]) -> FloatArray:
        found = np.asarray(lookup(archs), dtype=np.float64)
        if found.shape != (len(archs),):
            raise RequestError(f"{context.task}: tested gave {found.shape}, not ({len(archs)},)")
        return found

    chance = None if task.chance is None else task.metric.error(task.chance)
    return Truth(context, task.metric, chance, values, device, _listed(space, device))


def _listed(space: SearchSpace, device: TableDevice) -> tuple[Arch, ...] | None:
    """Every architecture of a small space; None for a larger one."""
    if device.archs is not None:
        return device.archs
    if space.log10_size > np.log10(_MOST_LISTED):
        return None
    if isinstance(space, Enumerable):
        return tuple(space)
    found: dict[Arch, None] = {}
    for combination in product(*(choice.values for choice in space.choices)):
        picked: dict[str, Value] = dict(
            zip((choice.name for choice in space.choices), combination, strict=True)
        )
        found[space.arch(picked)] = None
    return tuple(found)
