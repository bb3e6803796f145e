"""Measure before you train: what a timing already rules out."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from llm_nas.domain import Arch, Timing
from llm_nas.graph.run import Run
from llm_nas.graph.steps.bounds import figure, wanted
from llm_nas.graph.steps.history import history_before


def over_limit(run: Run, timing: Timing) -> str:
    """Which hard limit a timed network breaks, in words; empty when it breaks none."""
    limits = run.limits
    if limits.max_latency_ms is not None and timing.median_ms > limits.max_latency_ms:
        return f"{timing.median_ms:.4g} ms, the limit is {limits.max_latency_ms:.4g} ms"
    sizes = run.context.space.quantities([timing.arch])
    figures = {name: float(values[0]) for name, values in sizes.items()}
    if timing.file_mb is not None:
        figures["file_mb"] = timing.file_mb
    for name, limit in wanted(run.request).items():
        found = figure(run.request, figures, name)
        if name != "latency_ms" and found is not None and found > limit:
            return f"{name} {found:.4g}, the limit is {limit:.4g}"
    return ""


def too_slow(run: Run, timing: Timing) -> str:
    """Why a network is too slow beside the baselines to count; empty where it is not."""
    if run.span_ms is None or timing.median_ms <= run.span_ms:
        return ""
    return f"{timing.median_ms:.4g} ms, more than 1.1 times the slowest baseline's latency"


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
