"""The truth of a context: opened only here, and only after a search."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from llm_nas.domain import ACCURACY, PERPLEXITY, Arch, ContextName, FloatArray, Metric
from llm_nas.errors import DataError
from llm_nas.evaluation.reference import Reference, digest_of, front_of, frozen
from llm_nas.evaluation.score import above_chance
from llm_nas.plugins import is_plugin
from llm_nas.ports import SearchSpace
from llm_nas.tools.data import csv_table
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.data.tabulated import ROWS_SPACE, pairs, row_lookup, task_table, values_lookup
from llm_nas.tools.data.truth.model import TASK_OF, truth_model
from llm_nas.tools.data.truth.nb201 import true_pct
from llm_nas.tools.devices import open_device
from llm_nas.tools.devices.brought import as_table
from llm_nas.tools.devices.table import TableDevice

Lookup = Callable[[Sequence[Arch]], FloatArray]


@dataclass(frozen=True)
class Truth:
    """What is known of a context; implements `llm_nas.evaluation.score.Truth`."""

    context: ContextName
    metric: Metric
    chance_error: float | None
    """The error of a network that has learned nothing; None when unknown."""
    values: Lookup
    """The metric's true values `(n,)`, NaN where there is none."""
    device: TableDevice
    archs: tuple[Arch, ...] | None
    """Every architecture the truth is known of; None: too many to be listed."""
    digest: str = ""
    """Of the truth model, where values come from one."""

    def errors(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)` true errors in the unit of `metric.error`; NaN where none is known."""
        return self.metric.errors(self.values(archs)) if len(archs) else np.zeros(0)

    def latencies_ms(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)` in ms; NaN where the device has none."""
        return self.device.latencies_ms(archs)

    def learned(self, errors: FloatArray) -> FloatArray:
        """The errors `(n,)` with NaN for networks that have learned nothing."""
        return np.where(above_chance(self.metric, self.chance_error, errors), errors, np.nan)

    @property
    def reference(self) -> Reference:
        """The front that hypervolumes are shares of.

        Where every architecture is listed it is their true front, computed on the spot.

        Raises:
            RequestError: No architecture has a latency and a result above chance.
            DataError: No front is frozen for this truth model.
        """
        return self._reference

    @cached_property
    def _reference(self) -> Reference:
        if self.archs is not None:
            errors, latencies_ms = self.errors(self.archs), self.latencies_ms(self.archs)
            digest = digest_of(errors, latencies_ms)
            return front_of(self.archs, self.learned(errors), latencies_ms, digest=digest)
        found = frozen(str(self.context), self.digest)
        if found is None:
            raise DataError(
                f"{self.context}: no reference front is frozen for this truth model; "
                f"run llm-nas data build-reference --contexts {self.context}"
            )
        return found

    def beyond(self, archs: Sequence[Arch]) -> tuple[Arch, ...]:
        """Architectures outside the reference front: a reason to make it anew.

        Networks that learned nothing stand on no front, however fast they are.
        """
        errors = self.learned(self.errors(archs))
        outside = self.reference.beyond(errors, self.latencies_ms(archs))
        return tuple(arch for arch, out in zip(archs, outside.tolist(), strict=True) if out)


def open_truth(
    context: ContextName, space: SearchSpace, data_dir: Path | None = None
) -> Truth | None:
    """The truth of a context; None where none is known: trained or timed for real.

    Raises:
        RequestError, DataError: The tables it needs cannot be read.
    """
    brought = is_plugin("tasks", context.task)
    tabulated = (context.space, context.task) in pairs()
    if not (context.task.endswith(".csv") or tabulated or brought):
        return None
    device = as_table(open_device(context.device, space, context.task, data_dir=data_dir))
    if device is None:
        return None
    if brought and not tabulated:
        from llm_nas.evaluation.brought import open_brought_truth

        return open_brought_truth(context, space, device)
    if context.task.endswith(".csv"):
        return _of_csv(context, space, device)
    if context.space in TASK_OF:
        return _of_model(context, device)
    return _of_table(context, device, data_dir)


def _of_table(context: ContextName, device: TableDevice, data_dir: Path | None) -> Truth:
    """Every architecture has a row: published test accuracies, or measured rows."""
    if context.space == ROWS_SPACE:
        rows, values = row_lookup(context.task, data_dir)
    else:
        rows, values = cells.texts(), partial(true_pct, context.task, data_dir=data_dir)
    table = task_table(context.space, context.task, data_dir)
    chance = None if table is None or table.chance is None else ACCURACY.error(table.chance)
    return Truth(context, ACCURACY, chance, values, device, _common(rows, device.archs))


def _of_model(context: ContextName, device: TableDevice) -> Truth:
    """A truth model without the noise of trainings; a user's device limits it to its rows."""
    model = truth_model(context.space)
    table = task_table(context.space, context.task)
    metric = PERPLEXITY if table is None else table.metric
    chance = None if table is None or table.chance is None else metric.error(table.chance)
    values = partial(model.values, context.task)
    return Truth(context, metric, chance, values, device, device.archs, model.digest)


def _of_csv(context: ContextName, space: SearchSpace, device: TableDevice) -> Truth:
    """A user's table: its test accuracies, else the accuracies that the search saw."""
    path = Path(context.task)
    tested = csv_table.has_column(path, csv_table.TEST_ACCURACY)
    column = csv_table.TEST_ACCURACY if tested else csv_table.ACCURACY
    rows, values = values_lookup(csv_table.read_accuracies(path, space, column).values)
    return Truth(context, ACCURACY, None, values, device, _common(rows, device.archs))


def _common(rows: Sequence[Arch], others: Sequence[Arch] | None) -> tuple[Arch, ...]:
    """Rows that stand in both tables, in the order of the first; None: the whole space."""
    if others is None:
        return tuple(rows)
    kept = frozenset(others)
    return tuple(arch for arch in rows if arch in kept)
