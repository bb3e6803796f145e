"""A small world with a known truth: depth and widths of a network that is never built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from llm_nas.choices import Choice
from llm_nas.conditions import Quantity, Value
from llm_nas.domain import Arch, Candidate, FloatArray, Limits, Measurement, Metric, Niche, Timing
from llm_nas.ports import History
from llm_nas.tools.advisor import ParetoAdvisor
from llm_nas.tools.niches.partition import ConditionPartition
from llm_nas.tools.spaces import Space
from llm_nas.tools.zero_cost import SizeScores

PLACES = 8
ERROR = Metric(name="error", unit="", higher_is_better=False)


def toy_space(places: int = PLACES) -> Space:
    """Four widths and a kernel at every place, 8^places members."""
    choices = [Choice(f"w{i}", (1, 2, 4, 8), ordered=True) for i in range(places)]
    choices += [Choice(f"k{i}", (3, 5), ordered=True) for i in range(places)]

    def macs(values: Mapping[str, Value]) -> float:
        return (
            sum(float(values[f"w{i}"]) * float(values[f"k{i}"]) ** 2 for i in range(places)) / 100
        )

    return Space("toy", choices, quantities={"macs_m": macs})


def halves(space: Space) -> ConditionPartition:
    """Small and large members."""
    low = Quantity(name="macs_m", high=2.0)
    high = Quantity(name="macs_m", low=2.0)
    niches = [
        Niche(id="small", rule="", condition=low),
        Niche(id="large", rule="", condition=high),
    ]
    return ConditionPartition("halves", space, niches)


@dataclass
class World:
    """Errors and latencies of the toy space."""

    space: Space = field(default_factory=toy_space)
    least: float = 20.0
    """Error of the best network."""
    extent: float = 40.0
    """How much worse the worst one is."""
    tail: float = 1.0
    """Latency is the multiply-adds to this power."""
    asked: list[Arch] = field(default_factory=list[Arch])

    def values(self, archs: Sequence[Arch]) -> list[dict[str, float]]:
        return [{k: float(v) for k, v in self.space.values(a).items()} for a in archs]

    def errors(self, archs: Sequence[Arch]) -> FloatArray:
        """Width helps at every place, most at the last; kernels of 5 help early only."""
        shares: list[float] = []
        for v in self.values(archs):
            n = len(v) // 2
            help_ = sum((1 + i / n) * np.log2(v[f"w{i}"]) / 3 for i in range(n)) / (1.5 * n)
            kernels = sum((v[f"k{i}"] == 5) * (1 if i < n / 2 else -1) for i in range(n)) / n
            shares.append(np.exp(-2.5 * help_ - 0.8 * kernels))
        worst = np.exp(0.4)
        return np.asarray(self.least + self.extent * np.array(shares) / worst, dtype=np.float64)

    def latencies(self, archs: Sequence[Arch]) -> FloatArray:
        return np.asarray(self.space.quantities(archs)["macs_m"] ** self.tail, dtype=np.float64)

    def add(self, timings: Sequence[Timing]) -> None:
        """Exact: nothing is to be learned."""

    def predict(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        self.asked.extend(archs)
        return self.latencies(archs), np.zeros(len(archs))

    def advisor(
        self,
        opening: Literal["zero-cost", "random"] = "zero-cost",
        limits: Limits | None = None,
        hedged: float | None = None,
    ) -> ParetoAdvisor:
        scores = SizeScores(self.space, ("log_macs_m",))
        niches = halves(self.space)
        return ParetoAdvisor(
            self.space,
            niches,
            self,
            ERROR,
            None,
            scores,
            limits,
            opening=opening,
            hedged=hedged,
        )

    def trained(self, candidates: Sequence[Candidate]) -> tuple[Measurement, ...]:
        archs = [c.arch for c in candidates]
        return tuple(
            Measurement(
                arch=c.arch,
                niche=c.niche,
                generation=0,
                value=float(error),
                latency_ms=float(latency),
                latency_low_ms=float(latency),
                latency_high_ms=float(latency),
            )
            for c, error, latency in zip(
                candidates, self.errors(archs), self.latencies(archs), strict=True
            )
        )

    def searched(self, advisor: ParetoAdvisor, trainings: int, seed: int = 0) -> History:
        """A whole search of batches of six."""
        rng = np.random.default_rng(seed)
        history = History(measured=self.trained(advisor.open(12, rng)))
        while len(history.measured) < trainings:
            more = self.trained(advisor.plan(history, 6, rng))
            if not more:
                break
            history = History(measured=(*history.measured, *more))
        return history
