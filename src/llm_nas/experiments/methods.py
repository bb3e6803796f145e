"""Methods of a comparison: `(setting, budget) -> evaluated cells in order`.

Controls ask through a recorder in front of the project's budgeted evaluator, so that no method
can see an accuracy that it did not pay for. The system itself runs its own graph.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from llm_nas.agents.chat_options import OFFLINE
from llm_nas.domain import FloatArray, IntArray, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.evaluation.controls import CONTROLS, make_control
from llm_nas.experiments.setting import Setting
from llm_nas.ports import Evaluator, SearchSpace
from llm_nas.tools.measure import BudgetedEvaluator

Method: TypeAlias = Callable[[Setting, int], list[int]]
"""Benchmark indices of up to `budget` evaluated cells, in the order they were asked about."""


class Recorder:
    """An evaluator that also remembers the order of the cells."""

    def __init__(self, inner: Evaluator) -> None:
        self._inner = inner
        self._order: dict[int, None] = {}

    @property
    def cells(self) -> list[int]:
        """Unique cells, in the order they were first asked about."""
        return list(self._order)

    @property
    def space(self) -> SearchSpace:
        """The space of the inner evaluator."""
        return self._inner.space

    @property
    def budget(self) -> int:
        """The budget of the inner evaluator."""
        return self._inner.budget

    @property
    def evaluations(self) -> int:
        """Unique cells charged by the inner evaluator."""
        return self._inner.evaluations

    def latency_ms(self) -> FloatArray:
        """Latency of every cell, `(size,)`."""
        return self._inner.latency_ms()

    def accuracy_pct(self, indices: Sequence[int] | IntArray) -> FloatArray:
        """Ask the inner evaluator; what it refuses is not recorded."""
        values = self._inner.accuracy_pct(indices)
        self._order.update(dict.fromkeys(np.asarray(indices, dtype=np.int64).tolist()))
        return values


def open_recorder(setting: Setting, budget: int) -> Recorder:
    """A fresh evaluator of a setting, with nothing spent."""
    inner = BudgetedEvaluator(setting.space, setting.predicted_pct, setting.latency_ms, budget)
    return Recorder(inner)


def control_method(name: str) -> Method:
    """A control by name."""

    def run(setting: Setting, budget: int) -> list[int]:
        recorder = open_recorder(setting, budget)
        make_control(name).run(recorder, setting.partition, setting.seed)
        return recorder.cells

    return run


def system_method(model: str, generations: int) -> Method:
    """The system itself, from request to report, in a folder of its own and with no memory."""

    def run(setting: Setting, budget: int) -> list[int]:
        from llm_nas.graph.context import Inputs
        from llm_nas.graph.search import search

        with tempfile.TemporaryDirectory(prefix="llm-nas-compare-") as folder:
            request = SearchRequest(
                dataset=setting.name.dataset,
                device=setting.name.device,
                budget=budget,
                generations=generations,
                seed=setting.seed,
                model=model,
                labels=setting.labels,
                partition=setting.partition.name,
                store=Path(folder, "store"),
                out=Path(folder, "run"),
                data_dir=setting.data_dir,
            )
            inputs = Inputs(benchmark=setting.benchmark, predicted_pct=setting.predicted_pct)
            search(request, inputs)
            return measured_cells(Path(folder, "run"), setting)

    return run


def measured_cells(run_dir: Path, setting: Setting) -> list[int]:
    """Benchmark indices of the cells a run measured, in order."""
    from llm_nas.graph.ledger import Ledger
    from llm_nas.graph.rundir import CHECKPOINT

    ledger = Ledger(run_dir / CHECKPOINT, [niche.id for niche in setting.partition.niches])
    try:
        space = setting.space
        return [space.index(space.parse(m.arch)) for m in ledger.measured()]
    finally:
        ledger.close()


def make_method(name: str, generations: int = 10) -> Method:
    """A method by the name the command line gives it.

    Args:
        name: One of `METHODS`, or `model:NAME` for the system with a language model.
        generations: Of the system's own search.

    Raises:
        RequestError: For an unknown name.
    """
    if name in CONTROLS:
        return control_method(name)
    if name == OFFLINE:
        return system_method(OFFLINE, generations)
    kind, colon, model = name.partition(":")
    if kind == "model" and colon and model:
        return system_method(model, generations)
    raise RequestError(f"--methods: unknown {name!r}; use {', '.join(METHODS)} or model:NAME")


METHODS = (OFFLINE, *CONTROLS)
"""Names of methods that need no language model."""
