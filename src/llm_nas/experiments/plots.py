"""Pictures of a comparison: convergence and attainment surfaces (matplotlib, no display)."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.attainment import attainment_surface
from llm_nas.evaluation.stats import mean_interval
from llm_nas.evaluation.truth import TruthContext
from llm_nas.experiments.rows import Record

COLUMNS = 6
"""Panels in a row of the attainment picture."""


def agg_figure(width_in: float, height_in: float) -> Any:
    """A figure drawn by the Agg backend, whatever display there is."""
    figure = import_module("matplotlib.figure").Figure(figsize=(width_in, height_in))
    import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    return figure


def curves(records: Sequence[Record], method: str) -> tuple[list[int], list[FloatArray]]:
    """Checkpoints of a method and, at each, `(seeds, 1)` means of `hv` over contexts.

    Runs that ended early count with their last value.
    """
    mine = [record for record in records if record.row.method == method]
    at = sorted({n for record in mine for n, _ in record.curve})
    seeds = sorted({record.row.seed for record in mine})
    values: list[FloatArray] = []
    for n in at:
        per_seed = [np.mean([_value(r, n) for r in mine if r.row.seed == seed]) for seed in seeds]
        values.append(np.asarray(per_seed, dtype=np.float64)[:, None])
    return at, values


def _value(record: Record, evaluations: int) -> float:
    """`hv` at the last checkpoint up to a number of evaluations; the first one before it."""
    reached = [hv for n, hv in record.curve if n <= evaluations]
    return reached[-1] if reached else record.curve[0][1]


def convergence_plot(records: Sequence[Record], methods: Sequence[str], path: Path) -> None:
    """Mean `hv` over contexts against evaluations, with 95 % bands over seeds.

    Raises:
        RequestError: If there are no records.
    """
    if not records:
        raise RequestError("nothing to plot: no run has finished")
    figure = agg_figure(7.0, 4.5)
    axes = figure.add_subplot()
    for method in methods:
        at, values = curves(records, method)
        intervals = [mean_interval(v) for v in values]
        (line,) = axes.plot(at, [i.mean for i in intervals], label=method)
        low, high = [i.low for i in intervals], [i.high for i in intervals]
        axes.fill_between(at, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    ceiling = float(np.mean([record.row.hv_ceiling for record in records]))
    axes.axhline(ceiling, color="black", linestyle=":", label="ceiling: every cell asked about")
    axes.set_xlabel("evaluations (cells whose accuracy was asked for)")
    axes.set_ylabel("hypervolume / true hypervolume")
    axes.legend(fontsize="small", loc="lower right")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def attainment_plot(
    records: Sequence[Record],
    methods: Sequence[str],
    truths: dict[tuple[str, str], TruthContext],
    path: Path,
) -> None:
    """Median attainment surface of every method and the true front, one panel a context.

    Raises:
        RequestError: If there are no records.
    """
    contexts = sorted({(record.row.dataset, record.row.device) for record in records})
    if not contexts:
        raise RequestError("nothing to plot: no run has finished")
    columns = min(COLUMNS, len(contexts))
    rows = -(-len(contexts) // columns)
    figure = agg_figure(3.2 * columns + 0.8, 2.8 * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat[len(contexts) :]:
        panel.set_visible(False)
    for panel, (dataset, device) in zip(panels.flat, contexts, strict=False):
        here = [r for r in records if (r.row.dataset, r.row.device) == (dataset, device)]
        _attainment_panel(panel, here, methods, truths[dataset, device])
        panel.set_title(f"{dataset} on {device}", fontsize="small")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=5, fontsize="small")
    figure.tight_layout(rect=(0, 0.8 / (2.8 * rows + 0.5), 1, 1))
    figure.savefig(path, dpi=110)


def _attainment_panel(
    panel: Any, records: Sequence[Record], methods: Sequence[str], truth: TruthContext
) -> None:
    """Draw one context; the view is the true front's box and a margin."""
    true = truth.points(truth.front)
    panel.step(true[:, 1], true[:, 0], where="post", color="black", lw=1, label="true front")
    for method in methods:
        fronts = [np.array(r.front) for r in records if r.row.method == method]
        surface = attainment_surface(fronts)
        surface = surface[np.argsort(surface[:, 1])]
        panel.step(surface[:, 1], surface[:, 0], where="post", lw=1, label=method)
    (error_low, ms_low), (error_high, ms_high) = truth.box.low, truth.box.high
    panel.set_xlim(ms_low - 0.05 * (ms_high - ms_low), ms_high + 0.1 * (ms_high - ms_low))
    panel.set_ylim(
        error_low - 0.05 * (error_high - error_low), error_high + 0.1 * (error_high - error_low)
    )
    panel.set_xlabel("latency (ms)", fontsize="small")
    panel.set_ylabel("test error (%)", fontsize="small")
