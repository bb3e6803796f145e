"""Print the tables of docs/results.md from the rows of a comparison or ablation.

    python benchmarks/compare_tables.py DIR

Takes the seeds that every method finished in every context, so an unfinished comparison can be
read too.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from llm_nas.experiments.rows import Row, load_rows
from llm_nas.experiments.summary import MethodSummary, per_context, pivot, summarise


def main(folder: Path) -> None:
    """Write Markdown to stdout."""
    settings, records = load_rows(folder)
    rows = [record.row for record in records]
    methods = tuple(dict.fromkeys(row.method for row in rows))
    summaries = summarise(rows, methods)
    seeds = len(pivot(rows, "hv", methods)[methods[0]])
    lines = [
        f"{settings.budget} evaluations, {seeds} seeds, {summaries[0].runs} runs a method; "
        f"{settings.data_source}; predictor: {settings.predictor}, {settings.labels} labels.",
        "",
        *method_table(summaries),
        "",
        *context_table(rows, methods),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def method_table(summaries: Sequence[MethodSummary]) -> Iterator[str]:
    """One line a method; wins, ties and losses are the first method's against it."""
    yield "| method | hv [95 %] | hv@20 | IGD+ | unit hv | of ceiling | contexts won | w/t/l | p |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for s in summaries:
        versus = s.comparison
        won = f"{versus.contexts_won}/{versus.contexts}" if versus else ""
        runs = f"{versus.wins}/{versus.ties}/{versus.losses}" if versus else ""
        p = f"{s.p_holm:.0e}" if s.p_holm is not None else ""
        # One seed gives no interval, and an interval of no width would look like certainty.
        interval = f" [{s.hv.low:.4f}, {s.hv.high:.4f}]" if s.hv.low < s.hv.high else ""
        yield (
            f"| {s.method} | {s.hv.mean:.4f}{interval} "
            f"| {s.hv_at_k.mean:.4f} | {s.igd_plus.mean:.4f} | {s.unit_hv.mean:.4f} "
            f"| {100 * s.of_ceiling:.1f} % | {won} | {runs} | {p} |"
        )


def context_table(rows: Sequence[Row], methods: Sequence[str]) -> Iterator[str]:
    """Mean `hv` by context and method."""
    yield f"| context | {' | '.join(methods)} | ceiling |"
    yield "|---" * (len(methods) + 2) + "|"
    for c in per_context(rows, methods):
        means = " | ".join(f"{value:.3f}" for value in c.hv)
        yield f"| {c.dataset}, {c.device} | {means} | {c.hv_ceiling:.3f} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
