"""The picture of a run: found front by niche, true front, and everything measured."""

from collections.abc import Sequence
from io import BytesIO

from llm_nas.domain import FrontPoint, Measurement
from llm_nas.evaluation.truth import TruthContext


def front_png(
    title: str,
    context: TruthContext,
    measured: Sequence[Measurement],
    front: Sequence[FrontPoint],
    niches: Sequence[str],
) -> bytes:
    """A PNG: latency in ms (log) against accuracy in %, found front in niche colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    true = context.front
    axes.step(
        context.latency_ms[true],
        context.test_accuracy_pct[true],
        where="post",
        color="0.45",
        linewidth=1.2,
        label="true front",
    )
    axes.scatter(
        [m.latency_ms for m in measured],
        [m.predicted_accuracy_pct for m in measured],
        s=10,
        color="0.8",
        label="measured (predicted accuracy)",
    )
    for position, niche in enumerate(niches):
        points = [p for p in front if p.niche == niche]
        if points:
            axes.scatter(
                [p.latency_ms for p in points],
                [p.test_accuracy_pct for p in points],
                s=36,
                color=f"C{position % 10}",
                edgecolors="black",
                linewidths=0.5,
                zorder=3,
                label=f"found, {niche} (test accuracy)",
            )
    axes.set_xscale("log")
    axes.set_ylim(*_accuracy_range(context, front))
    axes.set_xlabel("latency in ms")
    axes.set_ylabel("accuracy in %")
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.3)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _accuracy_range(context: TruthContext, front: Sequence[FrontPoint]) -> tuple[float, float]:
    shown = [*context.test_accuracy_pct[context.front], *(p.test_accuracy_pct for p in front)]
    low, high = float(min(shown)), float(max(shown))
    margin = 0.05 * (high - low) + 0.5
    return low - margin, high + margin
