"""What a fork came to beside the run it comes from: both curves, as figures and as a picture."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import Measurement, Metric
from llm_nas.evaluation.indicators import REFERENCE_POINT, bounding_box, hypervolume
from llm_nas.evaluation.picture import as_png, new_figure
from llm_nas.graph.record import run_dir

FIGURES, PICTURE = "fork.json", "fork.png"
Curve = list[tuple[int, float]]
"""(trainings so far, claimed hypervolume in the box of both runs)."""


def trained(folder: Path) -> list[Measurement]:
    """A run's trained networks by generation, niche and time, read without touching it."""
    path = (folder / run_dir.CHECKPOINT).resolve()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        query = "SELECT body FROM measurement ORDER BY generation, rank, seq"
        return [Measurement.model_validate_json(row[0]) for row in database.execute(query)]


def curves(metric: Metric, runs: Sequence[Sequence[Measurement]]) -> list[Curve]:
    """Hypervolume after every training of each run, in one box, so that they can be compared."""
    everything = [m for rows in runs for m in rows]
    if not everything:
        return [[] for _ in runs]
    box = bounding_box(_points(metric, everything))
    return [
        [
            (n, hypervolume(box.normalise(_points(metric, rows[:n])), REFERENCE_POINT))
            for n in range(1, len(rows) + 1)
        ]
        for rows in runs
    ]


def _points(metric: Metric, rows: Sequence[Measurement]) -> Any:
    return np.array([(metric.error(m.value), m.latency_ms) for m in rows])


def write(source: Path, fork: Path, metric: Metric, about: dict[str, Any]) -> dict[str, Any]:
    """Leave both curves in the fork's folder; returns what the file of figures holds."""
    before, after = curves(metric, [trained(source), trained(fork)])
    figures = about | {"source": str(source), "curves": {"source": before, "fork": after}}
    run_dir.write_json(fork / FIGURES, figures)
    figure, axes = new_figure(7.0, 4.0)
    for name, curve, style in (("source", before, "--"), ("fork", after, "-")):
        axes.step(*zip(*curve, strict=True), style, where="post", label=name)
    shared = sum(1 for _ in _shared(before, after))
    axes.axvline(shared, color="0.7", lw=1.0, label=f"generation {about['generation']}")
    axes.set_xlabel("trainings")
    axes.set_ylabel("claimed hypervolume, box of both runs")
    changes = ", ".join(f"{name} {value}" for name, value in about["changes"].items())
    axes.set_title(f"fork: {changes or 'nothing changed'}"[:100], fontsize=10)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    run_dir.write_bytes(fork / PICTURE, as_png(figure))
    return figures


def _shared(one: Curve, other: Curve) -> Curve:
    """The common beginning of two curves."""
    kept: Curve = []
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        kept.append(a)
    return kept
