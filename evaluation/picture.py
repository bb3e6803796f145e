"""The picture of a run: what it measured, the front it claims by niche, the reference front."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

from llm_nas.domain import FloatArray, FrontPoint, Measurement, Metric, SearchReport
from llm_nas.evaluation.score import Truth


def front_png(
    report: SearchReport,
    rows: Sequence[Measurement],
    metric: Metric,
    truth: Truth | None,
) -> bytes:
    """A PNG: latency in ms (log) against the metric, found front in niche colours.

    Where truth is known the front is drawn at its test values, beside the reference front.
    """
    figure, axes = new_figure(8.0, 5.0)
    if truth is not None:
        latency, value = _reference(truth, metric)
        axes.step(latency, value, where="post", color="0.45", lw=1.2, label="reference front")
    axes.scatter(
        [m.latency_ms for m in rows],
        [m.value for m in rows],
        s=10,
        color="0.8",
        label="trained (validation)",
    )
    for position, niche in enumerate(dict.fromkeys(p.niche for p in report.front)):
        _found(axes, [p for p in report.front if p.niche == niche], niche, position)
    axes.set_xscale("log")
    _limit(axes, report.front, rows, None if truth is None else _reference(truth, metric)[1])
    axes.set_xlabel("latency in ms")
    axes.set_ylabel(f"{metric.name} ({metric.unit})" if metric.unit else metric.name)
    title = f"{report.space}, {report.task} on {report.device}, {report.trainings:g} trainings"
    axes.set_title(title + _marked(report.protocol), fontsize=10)
    axes.legend(fontsize=8, loc="lower right" if metric.higher_is_better else "upper right")
    axes.grid(alpha=0.3)
    return as_png(figure, dpi=120)


def new_figure(width_in: float, height_in: float) -> tuple[Any, Any]:
    """A figure with one panel, drawn by the Agg backend whatever display there is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def as_png(figure: Any, dpi: int = 120) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _marked(protocol: int) -> str:
    return " (protocol 1: predicted)" if protocol == 1 else ""


def _reference(truth: Truth, metric: Metric) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(truth.reference.latency_ms)
    values = [metric.value(float(e)) for e in truth.reference.error[order]]
    return truth.reference.latency_ms[order], np.array(values)


def _found(axes: Any, points: Sequence[FrontPoint], niche: str, position: int) -> None:
    tested = all(p.test_value is not None for p in points)
    axes.scatter(
        [p.latency_ms for p in points],
        [p.test_value if tested else p.value for p in points],
        s=36,
        color=f"C{position % 10}",
        edgecolors="black",
        linewidths=0.5,
        zorder=3,
        label=f"front, {niche} ({'test' if tested else 'validation'})",
    )


def _limit(
    axes: Any,
    front: Sequence[FrontPoint],
    rows: Sequence[Measurement],
    reference: FloatArray | None,
) -> None:
    """Show the front and its margin: networks that hardly train would squeeze it into a strip."""
    shown = [p.value for p in front] or [m.value for m in rows]
    shown += [p.test_value for p in front if p.test_value is not None]
    shown += [] if reference is None else [float(v) for v in reference]
    if shown:
        low, high = min(shown), max(shown)
        margin = 0.08 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
