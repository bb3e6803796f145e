"""Run a plan with progress and leave its table, summary and pictures in a directory."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from llm_nas.errors import RequestError
from llm_nas.experiments.compare import Plan, compare
from llm_nas.experiments.plots import attainment_plot, convergence_plot
from llm_nas.experiments.rows import CSV_FILE, Record, write_csv
from llm_nas.experiments.setting import truth_context
from llm_nas.experiments.summary import MethodSummary, per_context, summarise

SUMMARY_FILE = "summary.json"
CONVERGENCE_FILE = "convergence.png"
ATTAINMENT_FILE = "attainment.png"


def run_with_progress(plan: Plan, out: Path, jobs: int, engine: str) -> list[Record]:
    """`compare` with a progress bar on stderr, once the plan has been accepted.

    Raises:
        RequestError: For an unknown engine, and whatever `compare` raises.
    """
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


def finish(plan: Plan, records: Sequence[Record], out: Path) -> list[MethodSummary]:
    """Write CSV, summary and pictures of a complete comparison; the summaries, by method."""
    rows = [record.row for record in records]
    summaries = summarise(rows, plan.methods)
    write_csv(out / CSV_FILE, rows)
    document = {
        "plan": plan.model_dump(mode="json", exclude={"data_dir"}),
        "summary": [summary.model_dump(mode="json") for summary in summaries],
        "contexts": [c.model_dump(mode="json") for c in per_context(rows, plan.methods)],
    }
    (out / SUMMARY_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    convergence_plot(records, plan.methods, out / CONVERGENCE_FILE)
    truths = {
        (name.dataset, name.device.partition("=")[0]): truth_context(
            plan.data_dir, name.dataset, name.device
        )
        for name in plan.contexts
    }
    attainment_plot(records, plan.methods, truths, out / ATTAINMENT_FILE)
    return summaries
