"""The one door to trainings: each is paid for, committed, and then told."""

import threading
from dataclasses import dataclass

from llm_nas.domain import Arch, Failure, Label, Measurement, Timing
from llm_nas.errors import BudgetError, ToolError
from llm_nas.graph.record.ledger import Ledger
from llm_nas.ports import Task


@dataclass(frozen=True, slots=True)
class Order:
    """One network to train: who asked for it, where it belongs and how fast it is."""

    arch: Arch
    niche: str
    generation: int
    origin: str
    timing: Timing


class Trainer:
    """Trains what it is told within a budget; nothing is trained twice."""

    def __init__(
        self,
        task: Task,
        ledger: Ledger,
        seed: int,
        budget: float = float("inf"),
        workers: int = 1,
    ) -> None:
        """Take the run's ledger, which knows what was paid for before; `seed` of all trainings.

        Up to `workers` trainings run at the same time, where the task can.
        """
        self._task = task
        self._ledger = ledger
        self._seed = seed
        self._budget = budget
        self.workers = workers
        self._turns = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._pending = 0.0

    def train(self, order: Order, fidelity: float = 1.0) -> Measurement | Failure:
        """Train one network and commit what came of it.

        Niches run side by side; their trainings take turns, as many at a time as there are
        workers. What is under way counts against the budget as if it were paid.

        Raises:
            BudgetError: When the budget does not allow it; nothing is charged then.
        """
        with self._turns:
            self._reserve(order, fidelity)
            try:
                answer = self._answer(order.arch, fidelity)
            except BaseException:
                with self._lock:
                    self._pending -= fidelity
                raise
            with self._lock:
                self._pending -= fidelity
                return self._committed(order, answer)

    def _reserve(self, order: Order, fidelity: float) -> None:
        with self._lock:
            if self._ledger.spent() + self._pending + fidelity > self._budget + 1e-9:
                raise BudgetError(f"{order.arch}: no training is left of {self._budget:g}")
            self._pending += fidelity

    def _committed(self, order: Order, label: Label | Failure) -> Measurement | Failure:
        if isinstance(label, Failure):
            self._ledger.fail(label, order.generation, order.niche)
            return label
        measured = Measurement(
            arch=order.arch,
            niche=order.niche,
            generation=order.generation,
            value=label.value,
            latency_ms=order.timing.median_ms,
            latency_low_ms=order.timing.low_ms,
            latency_high_ms=order.timing.high_ms,
            trainings=label.trainings,
            seconds=label.seconds,
            origin=order.origin,
        )
        self._ledger.pay(measured)
        return measured

    def _answer(self, arch: Arch, fidelity: float) -> Label | Failure:
        """What the task says; a tool that cannot answer is a failure of that network."""
        try:
            return self._task.train(arch, fidelity, self._seed)
        except ToolError as error:
            return Failure(arch=arch, stage="train", reason=str(error), trainings=fidelity)
