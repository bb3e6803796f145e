"""Which sources of a prior to believe: each is checked on the cells that this run has measured.

A source is a place that was searched before; it scores every cell, and the score should rise with
accuracy. Its check is Spearman's rank correlation of score and accuracy over the measured cells,
which asks for no common scale. It is repeated after every generation: a source that fails is
dropped, one that recovers is taken back.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.domain import FloatArray, IntArray, SourceVerdict
from llm_nas.ports import Prior, Source
from llm_nas.tools.acquisition import floor_of, log_error
from llm_nas.tools.estimator import spearman_rho

LEAST_CORRELATION = 0.5
"""Rank correlation below which a source is not believed. Sources that help have 0.7 and more."""
FEWEST_CELLS = 5
"""Measured cells below which nothing is decided."""
MOST_CELLS = 240
"""Cells of other places that are taken over; more are thinned evenly."""


def judge(
    sources: Mapping[str, Source], cells: IntArray, accuracy_pct: FloatArray
) -> tuple[SourceVerdict, ...]:
    """A verdict on every source, in order of names.

    Args:
        sources: by `dataset/device`.
        cells: indices of measured cells, `(n,)`.
        accuracy_pct: what they were measured to have, `(n,)`.
    """
    return tuple(
        _verdict(name, sources[name].score[cells], accuracy_pct) for name in sorted(sources)
    )


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


def believed(sources: Mapping[str, Source], verdicts: Sequence[SourceVerdict]) -> Prior | None:
    """What the sources that were kept say together; None when there is none."""
    kept = {v.source: sources[v.source] for v in verdicts if v.kept}
    if not kept:
        return None
    datasets: dict[str, list[Source]] = defaultdict(list)
    for name, source in kept.items():
        datasets[name.partition("/")[0]].append(source)
    measured = [_pooled(group) for group in datasets.values()]
    cells = np.concatenate([cells for cells, _ in measured])
    step = -(-len(cells) // MOST_CELLS)
    return Prior(
        score=np.mean([source.score for source in kept.values()], axis=0),
        cells=cells[::step],
        log_error=np.concatenate([targets for _, targets in measured])[::step],
    )


def _pooled(group: Sequence[Source]) -> tuple[IntArray, FloatArray]:
    """Cells of the places of one dataset, and the log of their mean error less its mean."""
    every = np.concatenate([source.cells for source in group])
    accuracy_pct = np.concatenate([source.accuracy_pct for source in group])
    cells, place, times = np.unique(every, return_inverse=True, return_counts=True)
    error = 100.0 - np.bincount(place, accuracy_pct) / times
    targets = log_error(error - floor_of(error))
    return cells, targets - targets.mean()
