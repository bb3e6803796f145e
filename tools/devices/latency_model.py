"""What is believed about latencies that were not measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.domain import Arch, Failure, FloatArray, Timing
from llm_nas.ports import Device, LatencyModel, SearchSpace
from llm_nas.tools.accuracy.process import Process, points

MODEL_FROM = 6
"""Timings needed before a process is fitted."""
UNKNOWN = 1.0
"""Relative deviation of a guess by size."""
COVERED = 0.9
_NORMAL_90 = 1.6448536
_SESSIONS_TO_DEVIATION = 2.0
"""Least and greatest of a few sessions lie about this many deviations apart."""


class ExactLatency:
    """A device whose timings are free and without noise."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def add(self, timings: Sequence[Timing]) -> None:
        """Nothing is to be learned."""
        del timings

    def predict(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        """Latencies in ms, NaN where the device has none, and deviations of 0, `(n,)` each."""
        answers = self._device.measure(archs)
        values = [np.nan if isinstance(a, Failure) else a.median_ms for a in answers]
        return np.array(values, dtype=np.float64), np.zeros(len(archs))


class LearnedLatency:
    """Log latency as a process on features, told from the timings there are.

    Deviations are stretched so that as many left-out timings lie inside their interval as should.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._timings: dict[Arch, Timing] = {}
        self._process: Process | None = None
        self._stretch = 1.0

    def add(self, timings: Sequence[Timing]) -> None:
        """Learn; a timing that is known already changes nothing."""
        fresh = {t.arch: t for t in timings if self._timings.get(t.arch) != t}
        if not fresh:
            return
        self._timings |= fresh
        if len(self._timings) < MODEL_FROM:
            return
        archs = sorted(self._timings)
        logs = np.log([self._timings[a].median_ms for a in archs])
        self._process = Process(points(self._space.features(archs)), logs)
        misses = np.abs(self._process.left_out())
        rank = min(1.0, COVERED * (len(misses) + 1) / len(misses))
        self._stretch = max(1.0, float(np.quantile(misses, rank)) / _NORMAL_90)

    def predict(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation in ms, `(n,)` each.

        A timed network has its median. Before enough timings the guess follows the multiply-adds,
        where the space knows them: right in order only.
        """
        if not archs:
            return np.zeros(0), np.zeros(0)
        mean, deviation = self._believed(archs) if self._process else self._guessed(archs)
        for i, arch in enumerate(archs):
            timing = self._timings.get(arch)
            if timing is not None:
                mean[i] = timing.median_ms
                deviation[i] = (timing.high_ms - timing.low_ms) / _SESSIONS_TO_DEVIATION
        return mean, deviation

    def _believed(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        assert self._process is not None
        belief = self._process.posterior(points(self._space.features(archs)))
        spread = (belief.variance + self._process.noise_variance) * self._stretch**2
        mean = np.exp(belief.mean + spread / 2.0)
        return mean, mean * np.sqrt(np.expm1(spread))

    def _guessed(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        sizes = self._space.quantities(archs)
        size = next((sizes[name] for name in ("macs_m", "params_m") if name in sizes), None)
        typical = [t.median_ms for t in self._timings.values()]
        level = float(np.mean(typical)) if typical else 1.0
        mean = np.full(len(archs), level)
        if size is not None:
            mean = level * size / max(float(np.mean(size)), 1e-9)
        return mean, UNKNOWN * mean


@dataclass(frozen=True, slots=True)
class Foretold:
    """How a model that learned from earlier timings told later ones."""

    timings: int
    inside: int
    """Of them in the interval that should hold `COVERED` of all."""
    median_miss: float
    """Of the latencies, relative."""

    def __str__(self) -> str:
        return (
            f"latency model: {self.inside} of {self.timings} timings lay in the {COVERED:.0%} "
            f"interval foretold for them, median miss {self.median_miss:.0%}"
        )


def foretold(space: SearchSpace, batches: Iterable[Sequence[Timing]]) -> Foretold | None:
    """Tell every batch from those before it; None where none was large enough to begin."""
    model, known = LearnedLatency(space), 0
    inside, misses = 0, list[float]()
    for batch in batches:
        if known >= MODEL_FROM and batch:
            mean, deviation = model.predict([t.arch for t in batch])
            for timing, centre, spread in zip(batch, mean, deviation, strict=True):
                misses.append(abs(float(centre) / timing.median_ms - 1.0))
                inside += abs(timing.median_ms - centre) <= _NORMAL_90 * spread
        model.add(batch)
        known += len(batch)
    return Foretold(len(misses), inside, float(np.median(misses))) if misses else None


def open_latency_model(device: Device, space: SearchSpace) -> LatencyModel:
    """The device itself where it is exact, else what its timings teach."""
    return ExactLatency(device) if device.exact else LearnedLatency(space)
