"""Methods of a comparison: `(setting, budget) -> evaluated cells in order`.

Controls ask through a recorder in front of the project's budgeted evaluator, so that no method
can see an accuracy that it did not pay for. The system itself runs its own graph.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from llm_nas.agents.chat_options import GRADUATED, OFFLINE
from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.controls import CONTROLS, make_control
from llm_nas.experiments.setting import Setting, in_partition
from llm_nas.experiments.system import run_system
from llm_nas.experiments.variants import PUBLISHED, VARIANTS, Variant
from llm_nas.ports import Evaluator, SearchSpace
from llm_nas.tools.measure import BudgetedEvaluator

BEST_OF_N = "best-of-n"
UNDIVIDED = ("random", "nsga2", "regularized-evolution")
"""Methods in which niches play no part."""
WHOLE = Variant("the whole system")

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


def system_method(model: str, generations: int, variant: Variant = WHOLE) -> Method:
    """The system itself, from request to report, in a folder of its own."""

    def run(setting: Setting, budget: int) -> list[int]:
        return run_system(setting, budget, model, generations, variant)

    return run if variant.partition is None else divided(run, variant.partition)


def divided(method: Method, partition: str) -> Method:
    """A method that runs with another partition than its setting's."""

    def run(setting: Setting, budget: int) -> list[int]:
        return method(in_partition(setting, partition), budget)

    return run


def in_partitions(methods: Sequence[str], partitions: Sequence[str]) -> tuple[str, ...]:
    """The methods, then those that use niches again as `NAME@PARTITION`.

    The first partition is the comparison's own; every further one makes new methods.
    """

    def more() -> Iterator[str]:
        for partition in partitions[1:]:
            for name in methods:
                base = name.partition("@")[0]
                own = base in VARIANTS and VARIANTS[base].partition is not None
                if "@" not in name and base not in UNDIVIDED and not own:
                    yield f"{name}@{partition}"

    return (*methods, *more())


def make_method(name: str, generations: int = 10) -> Method:
    """A method by the name the command line gives it.

    Args:
        name: One of `METHODS` or `VARIANTS`, `model:NAME` for the system with a language model
            (`model:graduated` is the variant of that name), `published:NAME` for the model alone
            in equal niches, as the method was published, or `best-of-n:NAME` for a single
            generation: one prompt a niche, no loop.
            `NAME@PARTITION` is any of them with a partition of its own.
        generations: Of the system's own search.

    Raises:
        RequestError: For an unknown name.
    """
    base, at, partition = name.rpartition("@")
    if at:
        return divided(make_method(base, generations), partition)
    kind, _, model = name.partition(":")
    if kind == "model" and model == GRADUATED:
        name = GRADUATED
    if name in CONTROLS:
        return control_method(name)
    if name == OFFLINE:
        return system_method(OFFLINE, generations)
    if name in VARIANTS:
        return system_method(OFFLINE, generations, VARIANTS[name])
    if kind == BEST_OF_N and name != f"{BEST_OF_N}:":
        return system_method(model or OFFLINE, 1)
    if kind == "model" and model:
        return system_method(model, generations)
    if kind == "published" and model:
        return system_method(model, generations, PUBLISHED)
    raise RequestError(
        f"--methods: unknown {name!r}; use {', '.join(METHODS)}, best-of-n:MODEL, model:MODEL, "
        f"published:MODEL or an ablation ({', '.join(VARIANTS)})"
    )


METHODS = (OFFLINE, *CONTROLS, BEST_OF_N)
"""Names of methods that need no language model."""
