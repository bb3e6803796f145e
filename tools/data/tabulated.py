"""Which spaces have tables of which tasks and devices, and how their values are looked up."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from llm_nas.domain import ACCURACY, PERPLEXITY, Arch, FloatArray, Metric, TaskShape
from llm_nas.tools.data.nb201 import cells, nb201_tables
from llm_nas.tools.data.nb201.cost import CHANCE_PCT
from llm_nas.tools.data.nb201.cost import SHAPES as NB201_SHAPES
from llm_nas.tools.data.public.anb import measured_rows
from llm_nas.tools.data.truth.model import TASK_OF, truth_model

Lookup = Callable[[Sequence[Arch]], FloatArray]
"""`(n,)` values of architectures, NaN where there is none."""

ROWS_SPACE = "anb-rows"
"""The measured networks of `anb`, searched as a pool."""
SHAPES: Mapping[str, TaskShape | None] = {
    **NB201_SHAPES,
    "imagenet": TaskShape(height=224, width=224, classes=1000),
    "openwebtext": None,
}
"""Images and classes of tabulated tasks; None where a task has no images."""
_NOISE = {"imagenet": 0.25, "openwebtext": 0.004}
"""Published deviations between trainings: points of top-1, and of log perplexity."""
_IMAGENET_CHANCE_PCT = 0.1


@dataclass(frozen=True, slots=True)
class TaskTable:
    """Trainings that can be looked up."""

    metric: Metric
    chance: float | None
    source: str
    trained: Callable[[Arch, int], float]
    """The metric after one training by seed; NaN where there is none."""
    archs: tuple[Arch, ...] | None = None
    """The architectures that have a value; None: the whole space."""


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """Latencies that can be looked up."""

    source: str
    lookup: Lookup
    """Latencies in ms."""
    missing: str = "the table has no latency of it"
    archs: tuple[Arch, ...] | None = None


def pairs() -> tuple[tuple[str, str], ...]:
    """Spaces and their tabulated tasks."""
    tables = (("nb201", task) for task in cells.DATASETS)
    return (*tables, (ROWS_SPACE, "imagenet"), *TASK_OF.items())


def task_table(space: str, task: str, data_dir: Path | None = None) -> TaskTable | None:
    """The trainings of a space and task; None for any other pair than `pairs`."""
    if (space, task) not in pairs():
        return None
    if space == "nb201":
        tables = nb201_tables(data_dir)
        source = tables.label_source(task)
        return TaskTable(
            ACCURACY, CHANCE_PCT[task], source, plain(partial(tables.validation_pct, task))
        )
    metric, chance = (ACCURACY, _IMAGENET_CHANCE_PCT) if task == "imagenet" else (PERPLEXITY, None)
    if space == ROWS_SPACE:
        archs, lookup = row_lookup(task, data_dir)
        return TaskTable(metric, chance, measured_rows(data_dir).source, plain(lookup), archs)
    model, noise = truth_model(space), _NOISE[task]
    source = f"{model.source} with noise of {noise:g}"
    return TaskTable(metric, chance, source, _noisy(partial(model.values, task), metric, noise))


def plain(lookup: Lookup) -> Callable[[Arch, int], float]:
    """A training that is looked up: the same whatever the seed."""
    return lambda arch, seed: float(lookup([arch])[0])


def _noisy(lookup: Lookup, metric: Metric, noise: float) -> Callable[[Arch, int], float]:
    """A training whose error differs from the truth by noise of a deviation."""

    def trained(arch: Arch, seed: int) -> float:
        digest = hashlib.sha256(f"{seed}:{arch}".encode()).digest()
        drawn = float(np.random.default_rng(list(digest)).standard_normal())
        return metric.value(metric.error(float(lookup([arch])[0])) + noise * drawn)

    return trained


def row_lookup(quantity: str, data_dir: Path | None = None) -> tuple[tuple[Arch, ...], Lookup]:
    """The measured rows that have a value of a quantity, and the look-up of it."""
    rows = measured_rows(data_dir)
    values = dict(zip(rows.archs, rows.quantities[quantity].tolist(), strict=True))
    return values_lookup(values)


def values_lookup(values: Mapping[Arch, float]) -> tuple[tuple[Arch, ...], Lookup]:
    """Architectures with a value, and the look-up of it: NaN for all others."""
    known = {arch: value for arch, value in values.items() if np.isfinite(value)}

    def lookup(archs: Sequence[Arch]) -> FloatArray:
        return np.array([known.get(arch, np.nan) for arch in archs], dtype=np.float64)

    return tuple(known), lookup


def device_names(space: str) -> tuple[str, ...]:
    """Devices with tables of a space's latencies; none for a space of the user's own."""
    if space == "nb201":
        return cells.DEVICES
    family = "anb" if space == ROWS_SPACE else space
    return truth_model(family).devices if family in TASK_OF else ()


def device_table(space: str, device: str, task: str, data_dir: Path | None = None) -> DeviceTable:
    """The latencies of one of `device_names`; of networks for the task's images and classes."""
    if space == "nb201":
        tables = nb201_tables(data_dir)
        lookup = partial(tables.latencies_ms, task, device)
        return DeviceTable(tables.source, lookup, "HW-NAS-Bench has it as 'not available'")
    if space == ROWS_SPACE:
        archs, of_rows = row_lookup(device, data_dir)
        return DeviceTable(measured_rows(data_dir).source, of_rows, archs=archs)
    model = truth_model(space)
    return DeviceTable(model.source, partial(model.values, device))
