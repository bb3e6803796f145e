"""Latencies that were not measured: order, intervals, and devices without doubt."""

import numpy as np

from llm_nas.domain import Arch, Failure, Timing
from llm_nas.tools.devices.latency_model import ExactLatency, LearnedLatency, open_latency_model
from tests.tools.advisor.toy import World


def timings(world: World, archs: list[Arch], noise: float = 0.03) -> tuple[Timing, ...]:
    rng = np.random.default_rng(len(archs))
    medians = 1.0 + world.latencies(archs) * np.exp(noise * rng.standard_normal(len(archs)))
    return tuple(
        Timing(arch=a, median_ms=m, low_ms=0.98 * m, high_ms=1.02 * m, n=2)
        for a, m in zip(archs, medians.tolist(), strict=True)
    )


def sampled(world: World, n: int, seed: int) -> list[Arch]:
    rng = np.random.default_rng(seed)
    return [world.space.sample(rng) for _ in range(n)]


def test_intervals_hold_what_they_promise() -> None:
    """At nine tenths, between .8 and .99 of new networks lie inside, for 20 and 50 timings."""
    world = World()
    for known in (20, 50):
        inside: list[bool] = []
        for seed in range(4):
            model = LearnedLatency(world.space)
            model.add(timings(world, sampled(world, known, seed)))
            new = sampled(world, 100, 100 + seed)
            mean, deviation = model.predict(new)
            true = np.array([t.median_ms for t in timings(world, new)])
            inside += (np.abs(true - mean) <= 1.645 * deviation).tolist()
        assert 0.8 <= np.mean(inside) <= 0.99


def test_what_was_timed_is_known_and_what_was_not_is_learned() -> None:
    world = World()
    archs = sampled(world, 30, 0)
    known = timings(world, archs)
    model = LearnedLatency(world.space)
    new = sampled(world, 60, 1)
    guess, doubt = model.predict(new)
    true = world.latencies(new) + 1.0
    assert np.corrcoef(guess, true)[0, 1] > 0.9
    assert (doubt >= guess).all()
    model.add(known)
    model.add(known)
    mean, deviation = model.predict(archs)
    assert mean.tolist() == [t.median_ms for t in known]
    assert (deviation < 0.05 * mean).all()
    mean, _ = model.predict(new)
    assert np.median(np.abs(mean / true - 1.0)) < 0.06


def test_a_device_without_doubt_is_asked_itself() -> None:
    class Table:
        name, exact, source = "table", True, "a table"

        def supports(self, arch: Arch) -> str | None:
            return None

        def measure(self, archs: list[Arch]) -> list[Timing | Failure]:
            failed = Failure(arch=archs[-1], stage="time", reason="too large")
            known = [Timing(arch=a, median_ms=2.0, low_ms=2.0, high_ms=2.0) for a in archs[:-1]]
            return [*known, failed]

    world = World()
    model = open_latency_model(Table(), world.space)  # type: ignore[arg-type]
    assert isinstance(model, ExactLatency)
    mean, deviation = model.predict(sampled(world, 3, 0))
    assert mean[:2].tolist() == [2.0, 2.0]
    assert np.isnan(mean[2])
    assert deviation.tolist() == [0.0, 0.0, 0.0]
