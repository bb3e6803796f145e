"""Measure before you train: what a timing already rules out."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from llm_nas.domain import Arch, Timing
from llm_nas.graph.history import history_before
from llm_nas.graph.run import Run


def over_limit(run: Run, timing: Timing) -> str:
    """Which hard limit a timed network breaks, in words; empty when it breaks none."""
    limits = run.limits
    if limits.max_latency_ms is not None and timing.median_ms > limits.max_latency_ms:
        return f"{timing.median_ms:.4g} ms, the limit is {limits.max_latency_ms:.4g} ms"
    sizes = run.context.space.quantities([timing.arch])
    for name, limit in (("params_m", limits.max_params_m), ("macs_m", limits.max_macs_m)):
        if limit is not None and name in sizes and float(sizes[name][0]) > limit:
            return f"{name} {float(sizes[name][0]):.4g}, the limit is {limit:.4g}"
    return ""


def worth_training(
    run: Run, generation: int, timings: Sequence[Timing], asked: Collection[Arch] = ()
) -> Sequence[Timing]:
    """Timed networks less those whose measured latency leaves them nothing to gain.

    What a person `asked` for stays.

    Only on devices that measure: elsewhere the Advisor knew the latency when it chose. Where no
    network would gain anything all stay, because then the Advisor cannot tell them apart.
    """
    if run.context.device.exact or not timings:
        return timings
    history = history_before(run, generation)
    known = {t.arch for t in history.timings}
    fresh = tuple(t for t in timings if t.arch not in known)
    history = replace(history, timings=(*history.timings, *fresh))
    gains = run.advisor.gains(history, [t.arch for t in timings])
    if not np.isfinite(gains).all() or not (gains > 0.0).any():
        return timings
    return [t for t, gain in zip(timings, gains, strict=True) if gain > 0.0 or t.arch in asked]
