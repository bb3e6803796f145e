"""Which sources of a prior to believe: each is checked on the cells that this run has measured.

A source is a place that was searched before; it scores every cell, and the score should rise with
accuracy. Its check is Spearman's rank correlation of score and accuracy over the measured cells,
which asks for no common scale. It is repeated after every generation: a source that fails is
dropped, one that recovers is taken back.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.domain import FloatArray, IntArray, SourceVerdict
from llm_nas.tools.estimator import spearman_rho

LEAST_CORRELATION = 0.5
"""Rank correlation below which a source is not believed. Sources that help have 0.7 and more."""
FEWEST_CELLS = 5
"""Measured cells below which nothing is decided."""


def judge(
    priors: Mapping[str, FloatArray], cells: IntArray, accuracy_pct: FloatArray
) -> tuple[SourceVerdict, ...]:
    """A verdict on every source, in order of names.

    Args:
        priors: score `(size,)` by source.
        cells: indices of measured cells, `(n,)`.
        accuracy_pct: what they were measured to have, `(n,)`.
    """
    return tuple(_verdict(name, priors[name][cells], accuracy_pct) for name in sorted(priors))


def _verdict(source: str, score: FloatArray, accuracy_pct: FloatArray) -> SourceVerdict:
    n = len(score)
    rho = spearman_rho(score, accuracy_pct) if n >= FEWEST_CELLS else float("nan")
    if not np.isfinite(rho):
        return SourceVerdict(source=source, kept=True, cells=n, reason=f"{n} cells decide nothing")
    kept = rho >= LEAST_CORRELATION
    side = "at least" if kept else "below"
    return SourceVerdict(
        source=source,
        kept=kept,
        cells=n,
        rank_correlation=rho,
        reason=f"its scores of {n} measured cells have rank correlation {rho:+.2f} "
        f"with their accuracy, {side} {LEAST_CORRELATION}",
    )


def believed(
    priors: Mapping[str, FloatArray], verdicts: Sequence[SourceVerdict]
) -> FloatArray | None:
    """Mean score `(size,)` of the sources that were kept; None when there is none."""
    kept = [priors[verdict.source] for verdict in verdicts if verdict.kept]
    return np.asarray(np.mean(kept, axis=0), dtype=np.float64) if kept else None
