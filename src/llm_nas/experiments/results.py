"""Run a plan with progress, and leave its tables and its picture in a directory."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.errors import RequestError
from llm_nas.evaluation.picture import as_png, new_figure
from llm_nas.experiments.compare import Plan, compare
from llm_nas.experiments.rows import CSV_FILE, Record, write_csv
from llm_nas.experiments.summary import ContextSummary, MethodSummary, per_context, summarise

SUMMARY_FILE, CURVES_FILE, TABLES_FILE = "summary.json", "curves.png", "tables.md"


def run_with_progress(plan: Plan, out: Path | None, jobs: int, engine: str) -> list[Record]:
    """`compare` with a progress bar on stderr, once the plan has been accepted.

    Raises:
        RequestError: For an unknown engine, and whatever `compare` raises.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    if engine not in ("processes", "ray"):
        raise RequestError(f"--engine {engine!r}: expected processes or ray")
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task("runs", total=None)

    def show(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        return compare(plan, out, jobs, "ray" if engine == "ray" else "processes", show)
    finally:
        if bar.live.is_started:
            bar.stop()


def document(plan: Plan, records: Sequence[Record]) -> dict[str, Any]:
    """Rows and summaries as plain values: what `--json` prints."""
    return {
        "protocol": plan.protocol,
        "rows": [record.row.model_dump(mode="json") for record in records],
        "summary": [s.model_dump(mode="json") for s in summarise(records, plan.methods)],
        "contexts": [c.model_dump(mode="json") for c in per_context(records, plan.methods)],
    }


def finish(plan: Plan, records: Sequence[Record], out: Path) -> None:
    """Write CSV, summary, tables and picture of a complete comparison."""
    write_csv(out / CSV_FILE, [record.row for record in records])
    summary = document(plan, records) | {"plan": plan.model_dump(mode="json")}
    del summary["rows"]
    (out / SUMMARY_FILE).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (out / TABLES_FILE).write_text("\n".join(tables(plan, records)) + "\n", encoding="utf-8")
    (out / CURVES_FILE).write_bytes(curves_png(plan, records))


def tables(plan: Plan, records: Sequence[Record]) -> Iterator[str]:
    """The comparison in Markdown: one line a method, then one line a context."""
    summaries, places = summarise(records, plan.methods), per_context(records, plan.methods)
    yield headline(plan, summaries)
    yield ""
    yield from method_table(summaries)
    yield ""
    yield from context_table(places, plan.methods)


def headline(plan: Plan, summaries: Sequence[MethodSummary]) -> str:
    """Protocol, budget and size of a comparison in one sentence."""
    seeds = summaries[0].runs // len(plan.contexts)
    marked = f" (accuracies predicted from {plan.labels} labels)" if plan.protocol == 1 else ""
    return (
        f"Protocol {plan.protocol}{marked}: {plan.trainings} trainings, {seeds} seeds, "
        f"{len(plan.contexts)} contexts; hv is a share of the reference front's hypervolume."
    )


def method_table(summaries: Sequence[MethodSummary]) -> Iterator[str]:
    """One line a method; wins are the first method's against it, tested over seeds."""
    at = list(summaries[0].hv_at)
    heads = ["method", *at, "hv [95 %]", "to .90", "to .95", "IGD+", "won", "w/t/l", "p", "s"]
    yield _line(heads)
    yield "|---" * len(heads) + "|"
    for s in summaries:
        versus = s.comparison
        # One seed gives no interval, and an interval of no width would look like certainty.
        interval = f" [{s.hv.low:.4f}, {s.hv.high:.4f}]" if s.hv.low < s.hv.high else ""
        yield _line(
            [
                s.method,
                *(f"{s.hv_at[k].mean:.3f}" if k in s.hv_at else "" for k in at),
                f"{s.hv.mean:.4f}{interval}",
                *(_price(s, level) for level in ("0.90", "0.95")),
                "" if s.igd_plus is None else f"{s.igd_plus:.4f}",
                f"{versus.contexts_won}/{versus.contexts}" if versus else "",
                f"{versus.wins}/{versus.ties}/{versus.losses}" if versus else "",
                "" if s.p_holm is None else f"{s.p_holm:.1g}",
                f"{s.seconds:.1f}",
            ]
        )


def _price(summary: MethodSummary, level: str) -> str:
    price, share = summary.trainings_to.get(level), summary.reached.get(level, 0.0)
    if price is None:
        return "never"
    return f"{price:.0f}" + ("" if share == 1.0 else f" ({share:.0%})")


def context_table(places: Sequence[ContextSummary], methods: Sequence[str]) -> Iterator[str]:
    """Mean `hv` by context and method; contexts that settings were chosen on are marked."""
    yield _line(["context", *methods])
    yield "|---" * (len(methods) + 1) + "|"
    for c in places:
        mark = " *" if c.tuned_on else ""
        means = [f"{c.hv[m]:.3f}" for m in methods]
        yield _line([f"{c.space}/{c.task}/{c.device}{mark}", *means])
    if any(c.tuned_on for c in places):
        yield ""
        yield "\\* settings of the search were chosen here; the others were kept aside."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def curves_png(plan: Plan, records: Sequence[Record]) -> bytes:
    """Mean `hv` over contexts against trainings, with the range of seeds' means as a band."""
    figure, axes = new_figure(7.0, 4.5)
    at = np.unique(np.geomspace(1, plan.trainings, 60).round())
    for method in plan.methods:
        mine = [r for r in records if r.row.method == method]
        by_seed = {seed: [r for r in mine if r.row.seed == seed] for seed in plan.seeds}
        means = np.array(
            [np.mean([_held(r, at) for r in runs], axis=0) for runs in by_seed.values() if runs]
        )
        (line,) = axes.plot(at, means.mean(axis=0), label=method)
        band = means.min(axis=0), means.max(axis=0)
        axes.fill_between(at, *band, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_xlabel("trainings")
    axes.set_ylabel("hypervolume / reference front's")
    axes.set_title(f"protocol {plan.protocol}", fontsize="small")
    axes.legend(fontsize="small", loc="lower right")
    axes.grid(alpha=0.3)
    return as_png(figure, dpi=130)


def _held(record: Record, at: "np.typing.NDArray[np.float64]") -> list[float]:
    """`hv` of a run after so many trainings; 0 before its first."""
    spent = np.array([n for n, _ in record.curve])
    values = [0.0, *(hv for _, hv in record.curve)]
    return [values[int(i)] for i in np.searchsorted(spent, at + 1e-9, side="right")]
