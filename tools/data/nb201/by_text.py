"""The tables of NAS-Bench-201 as callers see them: by text, without test accuracies."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, FloatArray
from llm_nas.tools.data.locate import tables_folder
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.data.nb201.cost import CHANCE_PCT
from llm_nas.tools.data.nb201.pack import LABELS_SOURCE, PackTables
from llm_nas.tools.data.nb201.tables import (
    PublishedTables,
    dataset_position,
    missing_files,
)

TRAINING_NOISE_PCT = {"cifar10": 0.29, "cifar100": 0.43, "ImageNet16-120": 0.50}
"""Deviation of one published training from the mean over seeds, cells well above chance."""


class Nb201Tables:
    """Labels, latencies and proxies; NaN where a value is missing.

    Validation accuracies are published ones where the tables have them for a data set; the
    embedded pack, fitted on validation accuracies alone, stands in for those that are missing,
    with noise where one training is asked for.
    """

    def __init__(self, published: PublishedTables | None) -> None:
        """Take an open directory of tables; None: the embedded pack."""
        self._published = published
        self._tables = published if published is not None else PackTables()
        self._read = dict[str, FloatArray]()

    @property
    def modelled(self) -> bool:
        """Whether latencies and proxies are the pack's."""
        return self._published is None

    @property
    def source(self) -> str:
        """Where latencies and proxies come from; contains 'surrogate' when they are modelled."""
        return self._tables.source

    @property
    def digest(self) -> str:
        """SHA-256 of the tables or pack in use."""
        return self._tables.digest

    @property
    def archs(self) -> tuple[Arch, ...]:
        """Text of every cell."""
        return cells.texts()

    def label_source(self, task: str) -> str:
        """Where the labels of a task come from."""
        if self._published is not None and self._published.validation_pct(task) is not None:
            return f"{self.source}, validation accuracy of one training"
        noise = TRAINING_NOISE_PCT[task]
        labels = f"surrogate labels (embedded pack, {LABELS_SOURCE}, with noise of {noise:g} %)"
        return labels if self.modelled else f"{self.source}, {labels}"

    def validation_pct(self, task: str, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)` validation accuracies in % of one training."""
        dataset_position(task)
        if task not in self._read:  # read once: a predictor asks a thousand times
            values = None if self._published is None else self._published.validation_pct(task)
            self._read[task] = self._modelled(task) if values is None else values
        return self._read[task][cells.rows(archs)]

    def _modelled(self, task: str) -> FloatArray:
        """One training by the pack, `(15625,)`: its mean with noise, the same for ever."""
        values = PackTables(own=None).validation_pct(task)
        noise = np.random.default_rng(dataset_position(task)).standard_normal(len(values))
        noisy = np.clip(values + TRAINING_NOISE_PCT[task] * noise, 0, 100)
        return np.where(values > CHANCE_PCT[task], noisy, values)

    def latencies_ms(self, task: str, device: str, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)`, batch 1; NaN where the device has no value."""
        return self._tables.latency_ms(task, device)[cells.rows(archs)]

    def proxies(self, task: str, archs: Sequence[Arch]) -> FloatArray:
        """`(n, 13)` in the order of `llm_nas.tools.proxies.names.PROXIES`."""
        return self._tables.proxies(task)[cells.rows(archs)]


def nb201_tables(data_dir: Path | None = None) -> Nb201Tables:
    """The first source there is: `data_dir`, `LLM_NAS_DATA`, the user cache, the embedded pack.

    Raises:
        DataError: The named directory lacks files, or a table is half-written, of a wrong shape
            or otherwise unreadable.
    """
    return _open(tables_folder(missing_files, data_dir))


@cache
def _open(folder: Path | None) -> Nb201Tables:
    return Nb201Tables(None if folder is None else PublishedTables(folder))
