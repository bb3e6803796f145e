"""Tasks that look trainings up: tables of trained networks, and truth models with noise."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from llm_nas.domain import ACCURACY, PERPLEXITY, Arch, Failure, FloatArray, Label, Metric
from llm_nas.errors import RequestError
from llm_nas.tools.data.nb201 import nb201_tables
from llm_nas.tools.data.nb201.cost import CHANCE_PCT
from llm_nas.tools.data.truth.model import truth_model

Lookup = Callable[[Sequence[Arch]], FloatArray]
"""`(n,)` values of architectures in the metric's unit, NaN where there is none."""


@dataclass(frozen=True, slots=True)
class TableTask:
    """A task whose trainings are looked up; implements `llm_nas.ports.Task`."""

    name: str
    metric: Metric
    chance: float | None
    """The metric of a network that has learned nothing; None when unknown."""
    source: str
    lookup: Lookup
    archs: tuple[Arch, ...] | None = None
    """The architectures that have a label; None: the whole space."""
    noise: float = 0.0
    """Standard deviation between trainings of one network, in the unit of `Metric.error`."""

    def train(self, arch: Arch, fidelity: float = 1.0, seed: int = 0) -> Label | Failure:
        """The label of one training; counts as a whole one at any fidelity.

        Where values are modelled, noise of the published size is drawn from `seed` and the text.
        """
        value = float(self.lookup([arch])[0])
        if not np.isfinite(value):
            return Failure(arch=arch, stage="train", reason=f"{self.name}: the table has no label")
        if self.noise > 0:
            value = self.metric.value(self.metric.error(value) + self.noise * _normal(arch, seed))
        if not 0 < fidelity <= 1:
            raise RequestError(f"fidelity {fidelity}: expected more than 0, at most 1")
        return Label(arch=arch, value=value)


def _normal(arch: Arch, seed: int) -> float:
    """A standard normal number that depends on the architecture and the seed only."""
    digest = hashlib.sha256(f"{seed}:{arch}".encode()).digest()
    return float(np.random.default_rng(list(digest)).standard_normal())


PAIRS = (
    ("nb201", "cifar10"),
    ("nb201", "cifar100"),
    ("nb201", "ImageNet16-120"),
    ("anb", "imagenet"),
    ("anb-rows", "imagenet"),
    ("hwgpt-s", "openwebtext"),
)
"""Spaces and their tabulated tasks."""
_ANB_NOISE, _HWGPT_NOISE = 0.25, 0.004
"""Published seed-to-seed deviations: points of top-1, and of log perplexity."""


def tabulated(name: str, space: str, data_dir: Path | None = None) -> TableTask | None:
    """A task of `PAIRS`; None for any other pair."""
    if (space, name) not in PAIRS:
        return None
    if space == "nb201":
        return _nb201(name, data_dir)
    model = truth_model("anb" if space == "anb-rows" else space)
    metric, noise = (ACCURACY, _ANB_NOISE) if name == "imagenet" else (PERPLEXITY, _HWGPT_NOISE)
    chance = 0.1 if name == "imagenet" else None
    source = f"{model.source}, noise {noise:g}"
    return TableTask(name, metric, chance, source, partial(model.values, name), noise=noise)


def _nb201(name: str, data_dir: Path | None) -> TableTask:
    tables = nb201_tables(data_dir)
    lookup = partial(tables.validation_pct, name)
    return TableTask(name, ACCURACY, CHANCE_PCT[name], tables.label_source(name), lookup)
