"""What a source's store did for a target: paired differences in hypervolume over seeds."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray, Frozen
from llm_nas.evaluation.stats import Interval, mean_interval
from llm_nas.experiments.plots import agg_figure
from llm_nas.experiments.setting import ContextName
from llm_nas.experiments.transfer import COLD, Matrix, TransferRow

PALE = 1.8
"""The colour scale ends this many largest gains from zero, so that numbers stay readable."""


class Gain(Frozen):
    """Warm minus cold `hv` of one pair, mean over seeds with its bootstrap 95 % interval."""

    source: str
    target: str
    cold_hv: float
    warm_hv: float
    gain: Interval
    dropped: int
    """Searches that ended without believing the source."""


class MatrixReport(Frozen):
    """Gains of every ordered pair of a matrix and over all of them."""

    name: str
    seeds: int
    gains: tuple[Gain, ...]
    mean: Interval
    """Over pairs; the interval resamples whole seeds."""
    worst: float
    """Smallest mean gain of a pair."""


def report_on(matrix: Matrix, rows: Sequence[TransferRow], seeds: Sequence[int]) -> MatrixReport:
    """Pair the warm searches of a matrix with the cold ones of the same seed.

    Raises:
        KeyError: When a search of the matrix is missing among the rows.
    """
    found = {row.key: row for row in rows}
    columns: list[FloatArray] = []
    gains: list[Gain] = []
    for source, target in matrix.pairs:
        warm = [found[source.label, target.label, seed] for seed in seeds]
        cold = _cold(found, target, seeds)
        warm_hv = np.array([row.hv for row in warm])
        columns.append(warm_hv - cold)
        gains.append(
            Gain(
                source=source.label,
                target=target.label,
                cold_hv=float(cold.mean()),
                warm_hv=float(warm_hv.mean()),
                gain=mean_interval(columns[-1][:, None]),
                dropped=sum(row.dropped for row in warm),
            )
        )
    return MatrixReport(
        name=matrix.name,
        seeds=len(seeds),
        gains=tuple(gains),
        mean=mean_interval(np.stack(columns, axis=1)),
        worst=min(gain.gain.mean for gain in gains),
    )


def _cold(
    found: Mapping[tuple[str, str, int], TransferRow], target: ContextName, seeds: Sequence[int]
) -> FloatArray:
    return np.array([found[COLD, target.label, seed].hv for seed in seeds])


def heat_map(reports: Sequence[MatrixReport], path: Path) -> None:
    """One panel a matrix: rows are sources, columns targets, colours and numbers the gains."""
    sides = [len({g.target for g in report.gains}) for report in reports]
    figure = agg_figure(1.6 * sum(sides) + 3.0, 1.0 * max(sides) + 2.0)
    panels = figure.subplots(1, len(reports), squeeze=False, width_ratios=sides)[0]
    reach = max(0.01, *(abs(g.gain.mean) for report in reports for g in report.gains))
    pale = import_module("matplotlib.colors").Normalize(-PALE * reach, PALE * reach)
    for panel, report in zip(panels, reports, strict=True):
        names = list(dict.fromkeys(gain.source for gain in report.gains))
        table = np.full((len(names), len(names)), np.nan)
        for gain in report.gains:
            row, column = names.index(gain.source), names.index(gain.target)
            table[row, column] = gain.gain.mean
            text = f"{gain.gain.mean:+.3f}\n[{gain.gain.low:+.3f}, {gain.gain.high:+.3f}]"
            panel.text(column, row, text, ha="center", va="center", fontsize=7)
        panel.imshow(table, cmap="RdBu", norm=pale)
        short = [_short(name, report.name) for name in names]
        panel.set_xticks(range(len(names)), short, rotation=30, ha="right", fontsize="small")
        panel.set_yticks(range(len(names)), short, fontsize="small")
        panel.set_xlabel("used on")
        panel.set_ylabel("learned on")
        panel.set_title(f"{report.name}: mean {report.mean.mean:+.3f}", fontsize="small")
    figure.suptitle("hv with a store minus cold", fontsize="medium")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def _short(label: str, matrix: str) -> str:
    """What differs between the places of a matrix."""
    dataset, _, device = label.partition(":")
    return device if matrix == "devices" else dataset
