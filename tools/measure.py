"""The one door to predicted accuracy, with the budget counter (`llm_nas.ports.Evaluator`)."""

from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import BudgetError, RequestError, ToolError
from llm_nas.ports import SearchSpace


class BudgetedEvaluator:
    """Answers with predictions and counts unique cells; safe to call from threads."""

    def __init__(
        self,
        space: SearchSpace,
        predicted_pct: FloatArray,
        latency_ms: FloatArray,
        budget: int,
        known: Iterable[int] = (),
    ) -> None:
        """Take `(size,)` tables; `known` cells were paid for before (a resumed run)."""
        if budget < 1:
            raise RequestError(f"--budget {budget}: expected at least 1")
        self.space = space
        self.budget = budget
        self._predicted = predicted_pct
        self._latency = latency_ms.copy()
        self._latency.setflags(write=False)
        self._paid = set(known)
        self._lock = Lock()

    @property
    def evaluations(self) -> int:
        """Unique cells whose accuracy was asked for so far."""
        return len(self._paid)

    @property
    def remaining(self) -> int:
        """Cells that may still be asked for."""
        return self.budget - len(self._paid)

    def latency_ms(self) -> FloatArray:
        """Latency of every cell, `(size,)`, read-only, NaN where the device has none."""
        return self._latency

    def accuracy_pct(self, indices: Sequence[int] | IntArray) -> FloatArray:
        """Predicted accuracy of cells in %, `(n,)`.

        Raises:
            BudgetError: When the unseen ones among them are more than the budget leaves;
                nothing is charged then.
            ToolError: When a prediction is not finite; nothing is charged then either.
        """
        cells = np.asarray(indices, dtype=np.int64)
        values = self._predicted[cells]
        if not np.isfinite(values).all():
            raise ToolError(f"no accuracy could be predicted for cell {int(cells[0])}")
        with self._lock:
            new = set(cells.tolist()) - self._paid
            if len(new) > self.remaining:
                raise BudgetError(f"{len(new)} new cells asked for, {self.remaining} left")
            self._paid |= new
        return values
