"""`--accuracy predicted`: accuracy as a predictor says it, so that asking costs nothing.

The labels it is trained on are given beforehand and rationed by their number (protocol 1); what
a search asks for afterwards are predictions.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from llm_nas.domain import PREDICTED_PROTOCOL, Arch, Label, Metric
from llm_nas.ports import Enumerable, Partition, SearchSpace, Task
from llm_nas.tools.accuracy.drift import Drift, TrainingRange
from llm_nas.tools.accuracy.features import Features
from llm_nas.tools.accuracy.intervals import NOMINAL, Intervals, conformal_intervals
from llm_nas.tools.accuracy.predictor import (
    PredictorOptions,
    TrainedPredictor,
    train_predictor,
)
from llm_nas.tools.data.proxies import tabulated_proxies
from llm_nas.tools.niches import open_partition
from llm_nas.tools.tasks import open_task

LISTED = 50_000
"""Spaces up to this size are the pool that labels are chosen from; of larger ones a sample."""
SAMPLED = 10_000
"""Random architectures of a space that is not listed."""
_STREAM = 17
"""Names the stream of random numbers that draws them."""


class PredictedTask:
    """A task whose trainings are predictions, without noise; implements `llm_nas.ports.Task`."""

    protocol = PREDICTED_PROTOCOL
    """Marks figures: they do not compare with those of searches that pay for trainings."""

    def __init__(self, task: Task, predictor: TrainedPredictor, partition: Partition) -> None:
        self._task = task
        self.predictor = predictor
        self._partition = partition
        self._known = dict(
            zip(
                predictor.features.pool,
                predictor.values(predictor.scores).tolist(),
                strict=True,
            )
        )

    @property
    def name(self) -> str:
        """The task that labels are of."""
        return self._task.name

    @property
    def metric(self) -> Metric:
        """The task's."""
        return self._task.metric

    @property
    def chance(self) -> float | None:
        """The task's."""
        return self._task.chance

    @property
    def source(self) -> str:
        """Where labels come from, and that accuracies are predicted."""
        return f"{self._task.source}; accuracy predicted by {self.description}"

    @property
    def archs(self) -> tuple[Arch, ...] | None:
        """The task's architectures, where it is a table of rows."""
        rows: tuple[Arch, ...] | None = getattr(self._task, "archs", None)
        return rows

    @property
    def description(self) -> str:
        """Model, features, labels and borrowed proxies in one sentence."""
        return self.predictor.description

    @property
    def labels(self) -> int:
        """Trainings the predictor was given."""
        return self.predictor.labels

    def train(self, arch: Arch, fidelity: float = 1.0, seed: int = 0) -> Label:
        """The prediction; neither fidelity nor seed matter."""
        value = self._known.get(arch)
        if value is None:
            value = self._known[arch] = float(self.predictor.predict([arch])[0])
        return Label(arch=arch, value=value)

    @cached_property
    def _intervals(self) -> Intervals:
        return conformal_intervals(self.predictor, self._partition)

    def interval_pct(self, archs: Sequence[Arch]) -> list[tuple[float, float]]:
        """Ends of the 90 % interval of every architecture's label, in the metric's unit."""
        if not archs:
            return []
        low, high = self._intervals.bounds(archs)
        return list(zip(low.tolist(), high.tolist(), strict=True))

    @cached_property
    def _range(self) -> TrainingRange:
        return TrainingRange(self.predictor)

    def drift(self, archs: Sequence[Arch]) -> Drift:
        """How many architectures lie outside the range of the labels, and whether that is many."""
        return self._range.drift(archs)

    def report(self, archs: Sequence[Arch]) -> dict[str, object]:
        """What a result says of its predictor; `archs` are those that a search measured."""
        return {
            "description": self.description,
            "labels": self.labels,
            "seconds": round(self.predictor.seconds, 3),
            "intervals": f"{NOMINAL:.0%} conformal, by niche ({self._partition.name})",
            "drift": self.drift(archs).model_dump(),
        }


def open_predicted_task(
    task_name: str,
    space: SearchSpace,
    labels: int,
    seed: int,
    *,
    data_dir: Path | None = None,
    options: PredictorOptions | None = None,
) -> PredictedTask:
    """Train a predictor on labels of a task and put its predictions in place of trainings.

    Args:
        task_name: of the task whose trainings are the labels.
        space: whose architectures are predicted; its tabulated proxies are used where there are.
        labels: trainings to learn from.
        seed: draws the labelled architectures; equal seeds give equal predictions.
        data_dir: directory of public tables; None: the environment's, the cache or the pack.
        options: features, model and label scheme; the default is the best that was found.

    Raises:
        RequestError: an unknown task, or too few or too many labels.
    """
    task = open_task(task_name, space, data_dir=data_dir, seed=seed)
    chosen = options if options is not None else PredictorOptions()
    features = Features(
        space,
        _pool(space, task, seed),
        tabulated_proxies(space.name, task_name, data_dir),
        structure=chosen.features != "proxies",
    )
    partition = open_partition(None, space, seed)
    predictor = train_predictor(features, space, task, partition, labels, seed, chosen)
    return PredictedTask(task, predictor, partition)


def _pool(space: SearchSpace, task: Task, seed: int) -> Sequence[Arch]:
    """The architectures labels are chosen from: all, or a random sample."""
    rows: Sequence[Arch] | None = getattr(task, "archs", None)
    if rows is not None and len(rows) <= LISTED:
        return rows
    if isinstance(space, Enumerable) and len(space) <= LISTED:
        return tuple(space)
    rng = np.random.default_rng([seed, _STREAM])
    size = min(SAMPLED, round(10**space.log10_size / 2))
    drawn = dict[Arch, None]()
    for _ in range(4 * size):
        if len(drawn) == size:
            break
        drawn[space.sample(rng)] = None
    return tuple(drawn)
