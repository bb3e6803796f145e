"""From rows to one table: means with intervals, and each method against a reference one."""

from collections.abc import Iterable, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from llm_nas.domain import FloatArray, Frozen
from llm_nas.errors import RequestError
from llm_nas.evaluation.stats import Comparison, Interval, compare_paired, holm, mean_interval
from llm_nas.experiments.rows import Row

FIGURES = (
    "hv",
    "hv_at_k",
    "unit_hv",
    "igd_plus",
    "optimism",
    "niches",
    "latency_deciles",
    "hv_ceiling",
    "seconds",
)


class MethodSummary(Frozen):
    """One method over all contexts and seeds that it and every other method finished."""

    method: str
    runs: int
    hv: Interval
    hv_at_k: Interval
    unit_hv: Interval
    igd_plus: Interval
    optimism: float
    niches: float
    latency_deciles: float
    of_ceiling: float
    """Mean `hv` / mean ceiling of the same runs."""
    seconds: float
    """Mean wall-clock time of a run, predictor training excluded."""
    against: str | None
    """The method it is compared with by `hv`; None for the first one. See `reference_of`."""
    comparison: Comparison | None
    """The reference method's wins over this one."""
    p_holm: float | None
    """`comparison.p` adjusted for the number of methods compared."""


class ContextSummary(Frozen):
    """Mean `hv` of every method in one context, in the order of the methods."""

    dataset: str
    device: str
    hv: tuple[float, ...]
    hv_ceiling: float


def pivot(rows: Iterable[Row], field: str, methods: Sequence[str]) -> dict[str, FloatArray]:
    """`(seeds, contexts)` values of a field by method, on what all methods finished.

    Seeds count that every method finished in every context of the experiment; contexts count
    that every method finished with at least one common seed.

    Raises:
        RequestError: If nothing is left to compare.
    """
    by_key = {row.key: row for row in rows}
    contexts = sorted({(r.dataset, r.device) for r in by_key.values()})
    seeds = sorted({r.seed for r in by_key.values()})
    complete = [
        s for s in seeds if all((m, d, v, s) in by_key for m in methods for d, v in contexts)
    ]
    if not complete:
        raise RequestError("no seed was finished by every method in every context yet")
    return {
        m: np.array([[getattr(by_key[m, d, v, s], field) for d, v in contexts] for s in complete])
        for m in methods
    }


def summarise(rows: Sequence[Row], methods: Sequence[str]) -> list[MethodSummary]:
    """One summary a method, in the given order, each compared with its `reference_of`.

    Raises:
        RequestError: If no seed was finished by all methods in all contexts.
    """
    fields = {name: pivot(rows, name, methods) for name in FIGURES}
    hv = fields["hv"]
    references = [reference_of(m, methods) for m in methods]
    comparisons = [
        compare_paired(hv[r], hv[m]) for r, m in zip(references, methods, strict=True) if r != m
    ]
    adjusted = holm([c.p for c in comparisons])
    summaries: list[MethodSummary] = []
    for position, method in enumerate(methods):
        versus = comparisons[position - 1] if position else None
        summaries.append(
            MethodSummary(
                method=method,
                runs=hv[method].size,
                hv=mean_interval(hv[method]),
                hv_at_k=mean_interval(fields["hv_at_k"][method]),
                unit_hv=mean_interval(fields["unit_hv"][method]),
                igd_plus=mean_interval(fields["igd_plus"][method]),
                optimism=float(fields["optimism"][method].mean()),
                niches=float(fields["niches"][method].mean()),
                latency_deciles=float(fields["latency_deciles"][method].mean()),
                of_ceiling=float(hv[method].mean() / fields["hv_ceiling"][method].mean()),
                seconds=float(fields["seconds"][method].mean()),
                against=references[position] if position else None,
                comparison=versus,
                p_holm=adjusted[position - 1] if position else None,
            )
        )
    return summaries


def reference_of(method: str, methods: Sequence[str]) -> str:
    """What a method is compared with: `NAME` for `NAME@PARTITION`, else the first method."""
    base = method.rpartition("@")[0]
    return base if base in methods else methods[0]


def time_line(rows: Sequence[Row]) -> str:
    """Seconds all runs took together, and each method's share."""
    totals: dict[str, float] = {}
    for row in rows:
        totals[row.method] = totals.get(row.method, 0.0) + row.seconds
    parts = ", ".join(f"{name} {seconds:.0f}" for name, seconds in totals.items())
    return f"method seconds in all: {sum(totals.values()):.0f} ({parts})"


def per_context(rows: Sequence[Row], methods: Sequence[str]) -> list[ContextSummary]:
    """Mean `hv` by context, for the seeds all methods finished."""
    hv, ceilings = pivot(rows, "hv", methods), pivot(rows, "hv_ceiling", methods)
    contexts = sorted({(row.dataset, row.device) for row in rows})
    return [
        ContextSummary(
            dataset=dataset,
            device=device,
            hv=tuple(float(hv[m][:, i].mean()) for m in methods),
            hv_ceiling=float(ceilings[methods[0]][:, i].mean()),
        )
        for i, (dataset, device) in enumerate(contexts)
    ]


def summary_table(summaries: Sequence[MethodSummary], title: str) -> Table:
    """The table people read; wins are the first method's over the row's."""
    note = (
        f"won (contexts), wins/ties/losses (runs), p: {summaries[0].method} against the method, "
        "or NAME against NAME@PARTITION"
    )
    table = Table(title=title, caption=note, box=SIMPLE_HEAD)
    table.add_column("method", no_wrap=True)
    columns = ("hv [95 %]", "hv@20", "igd+", "unit hv", "ceiling", "won", "w/t/l", "p (Holm)", "s")
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right")
    for s in summaries:
        versus = s.comparison
        table.add_row(
            s.method,
            f"{s.hv.mean:.3f} [{s.hv.low:.3f}, {s.hv.high:.3f}]",
            f"{s.hv_at_k.mean:.3f}",
            f"{s.igd_plus.mean:.4f}",
            f"{s.unit_hv.mean:.3f}",
            f"{100 * s.of_ceiling:.1f} %",
            f"{versus.contexts_won}/{versus.contexts}" if versus else "",
            f"{versus.wins}/{versus.ties}/{versus.losses}" if versus else "",
            f"{s.p_holm:.0e}" if s.p_holm is not None else "",
            f"{s.seconds:.1f}",
        )
    return table
