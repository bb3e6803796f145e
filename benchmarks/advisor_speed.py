"""Seconds a batch of six costs the advisor, and what its memory grows by.

A space of 1e11 members with exact latencies (made up, as all that counts here is time), 120 and
1,000 trainings, then one of 1e40. Prints the medians and ends with a verdict.

    python benchmarks/advisor_speed.py
"""

import argparse
import sys
import time
import tracemalloc
from collections.abc import Sequence

import numpy as np

from llm_nas.choices import Choice
from llm_nas.conditions import Anything
from llm_nas.domain import Arch, FloatArray, Measurement, Metric, Niche, Timing
from llm_nas.ports import History
from llm_nas.tools.advisor import ParetoAdvisor
from llm_nas.tools.niches.partition import ConditionPartition
from llm_nas.tools.spaces import Space
from llm_nas.tools.zero_cost import SizeScores

LIMITS_S = {120: 1.0, 1000: 3.0}
ERROR = Metric(name="error", unit="", higher_is_better=False)


class MadeUp:
    """Latencies and errors that follow the features, with a fixed twist."""

    def __init__(self, space: Space) -> None:
        self._space = space
        width = space.features([space.sample(np.random.default_rng(0))]).shape[1]
        self._weights = np.abs(np.random.default_rng(1).normal(size=(width, 2)))

    def add(self, timings: Sequence[Timing]) -> None:
        """Exact: nothing is to be learned."""
        del timings

    def both(self, archs: Sequence[Arch]) -> FloatArray:
        """Error and latency, `(n, 2)`."""
        drive = self._space.features(archs) @ self._weights / len(self._weights)
        signs = np.array([-1.0, 1.0])
        return np.asarray(np.exp(signs * drive) * np.array([30.0, 5.0]), dtype=np.float64)

    def predict(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        """Latencies without doubt."""
        return self.both(archs)[:, 1], np.zeros(len(archs))


def space_of(places: int) -> Space:
    """A family with three choices of three values at every place: 27^places members."""
    choices = [
        Choice(f"{name}{i}", (1, 2, 3), ordered=True) for i in range(places) for name in "ekl"
    ]
    return Space("made-up", choices, size_of=lambda v: float(sum(int(x) for x in v.values())))


def measured(space: Space, world: MadeUp, n: int) -> tuple[Measurement, ...]:
    """`n` trained members."""
    rng = np.random.default_rng(2)
    archs = [space.sample(rng) for _ in range(n)]
    return tuple(
        Measurement(
            arch=arch,
            niche="all",
            generation=0,
            value=float(error),
            latency_ms=float(latency),
            latency_low_ms=float(latency),
            latency_high_ms=float(latency),
        )
        for arch, (error, latency) in zip(archs, world.both(archs), strict=True)
    )


def seconds(places: int, trainings: int, repeats: int) -> float:
    """Median processor time of planning a batch of six."""
    space = space_of(places)
    world = MadeUp(space)
    niche = Niche(id="all", rule="everything", condition=Anything())
    advisor = ParetoAdvisor(
        space,
        ConditionPartition("all", space, [niche]),
        world,
        ERROR,
        None,
        SizeScores(space, ("log_size",)),
    )
    history = History(measured=measured(space, world, trainings))
    found: list[float] = []
    tracemalloc.start()
    for repeat in range(repeats):
        start = time.process_time()
        advisor.plan(history, 6, np.random.default_rng(repeat))
        found.append(time.process_time() - start)
    grown = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    size = f"10^{space.log10_size:.0f}"
    print(
        f"{size:>6s} members, {trainings:5d} trainings: {np.median(found):.2f} s a batch, "
        f"at most {grown:.0f} MB",
        flush=True,
    )
    return float(np.median(found))


def main() -> int:
    """Exit code 0 when all limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    held = [seconds(8, n, repeats) <= limit for n, limit in LIMITS_S.items()]
    held.append(seconds(28, 120, repeats) <= LIMITS_S[1000])
    print("PASS" if all(held) else "FAIL")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
