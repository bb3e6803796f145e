"""The one door to labels: trains, counts, and keeps the rows that are scored afterwards."""

from collections.abc import Callable

from llm_nas.domain import Arch, Failure, Label, Measurement, Metric
from llm_nas.errors import BudgetError


class Door:
    """A budget of trainings in front of a task."""

    def __init__(
        self,
        train: Callable[[Arch], Label | Failure],
        latency_ms: Callable[[Arch], float],
        metric: Metric,
        budget: float,
        niche_of: Callable[[Arch], str] = lambda arch: "",
    ) -> None:
        """Take what trains and times an architecture, and how many trainings may be paid.

        `niche_of` is asked for the rows alone.
        """
        self._train, self._latency_ms, self._niche_of = train, latency_ms, niche_of
        self._budget = budget
        self.metric = metric
        self.rows: list[Measurement | Failure] = []
        """What was trained, in order, failures included."""

    @property
    def remaining(self) -> float:
        """Trainings that may still be paid."""
        return self._budget - sum(row.trainings for row in self.rows)

    def train(self, arch: Arch) -> Measurement | Failure:
        """Train one architecture at full fidelity.

        Raises:
            BudgetError: If nothing is left to pay it with.
        """
        if self.remaining < 1:
            raise BudgetError(f"all {self._budget:g} trainings are spent")
        label = self._train(arch)
        row: Measurement | Failure
        if isinstance(label, Failure):
            # A failure that cost nothing would let a control ask for ever.
            row = label.model_copy(update={"trainings": max(1.0, label.trainings)})
        else:
            latency = self._latency_ms(arch)
            row = Measurement(
                arch=arch,
                niche=self._niche_of(arch),
                generation=0,
                value=label.value,
                latency_ms=latency,
                latency_low_ms=latency,
                latency_high_ms=latency,
                trainings=label.trainings,
                seconds=label.seconds,
            )
        self.rows.append(row)
        return row
