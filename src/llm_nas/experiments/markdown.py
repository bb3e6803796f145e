"""Tables of a results page in Markdown, from the rows of comparisons and ablations.

They take the seeds that every method finished in every context, so an unfinished experiment
can be read too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from llm_nas.agents.chat_options import OFFLINE
from llm_nas.errors import RequestError
from llm_nas.experiments.rows import Row, Settings, load_rows
from llm_nas.experiments.summary import (
    MethodSummary,
    per_context,
    pivot,
    reference_of,
    summarise,
    time_line,
)

PAPER: Mapping[str, tuple[str, str]] = {
    "whole system": ("0.978 +- 0.017", "offline"),
    "without partition": ("0.516 +- 0.155", "no-partition"),
    "without language model": ("0.843", "offline"),
    "operators alone": ("not published", "operators-only"),
    "random cells, equal share a niche": ("not published", "niche-random"),
    "NSGA-II": ("not published", "nsga2"),
}
"""Hypervolumes of LLM-NAS (arXiv 2510.01472) and the method here that stands beside each."""

BEGIN, END = "<!-- table: ", "<!-- end of table -->"


def tables(folder: Path) -> Iterator[str]:
    """What `benchmarks/compare_tables.py` prints: headline, methods, contexts."""
    yield from methods(folder)
    yield ""
    yield from contexts(folder)


def methods(folder: Path) -> Iterator[str]:
    """Settings in one sentence and one line a method; wins are its reference's against it."""
    settings, rows, names = _read(folder)
    summaries = summarise(rows, names)
    seeds = len(pivot(rows, "hv", names)[names[0]])
    yield _headline(settings, seeds, summaries[0].runs)
    yield ""
    yield "| method | hv [95 %] | hv@20 | IGD+ | unit hv | of ceiling | contexts won | w/t/l | p |"
    yield "|---|---|---|---|---|---|---|---|---|"
    yield from map(_method_line, summaries)
    yield ""
    yield f"{time_line(rows)}."


def contexts(folder: Path) -> Iterator[str]:
    """Mean `hv` by context and method."""
    _, rows, names = _read(folder)
    yield f"| context | {' | '.join(names)} | ceiling |"
    yield "|---" * (len(names) + 2) + "|"
    for c in per_context(rows, names):
        means = " | ".join(f"{value:.3f}" for value in c.hv)
        yield f"| {c.dataset}, {c.device} | {means} | {c.hv_ceiling:.3f} |"


def devices(folder: Path, base: str) -> Iterator[str]:
    """Mean `hv` by device of a system and, below it, what its variants gain or lose.

    `base` is the system: its variants are the methods compared with it.
    """
    _, rows, names = _read(folder)
    if base not in names:
        raise RequestError(f"{folder}: no rows of {base}")
    by_context = per_context(rows, names)
    places = list(dict.fromkeys(c.device for c in by_context))

    def means(method: str) -> list[float]:
        position = names.index(method)
        found = [[c.hv[position] for c in by_context if c.device == place] for place in places]
        return [sum(values) / len(values) for values in found]

    yield f"| system | {' | '.join(places)} | mean |"
    yield "|---" * (len(places) + 2) + "|"
    own = means(base)
    yield _cells(base, own, "{:.3f}")
    for name in names:
        if name != base and reference_of(name, names) == base:
            changes = [a - b for a, b in zip(means(name), own, strict=True)]
            yield _cells(name, changes, "{:+.3f}")


def paper(folder: Path, ablation: Path) -> Iterator[str]:
    """Published figures beside those of the same kind here; no differences, scales are unknown."""
    found = {s.method: (s, where) for where in (ablation, folder) for s in _summaries(where)}
    yield "| | paper | here, unit hv | here, hv | from |"
    yield "|---|---|---|---|---|"
    for what, (published, method) in PAPER.items():
        if method in found:
            s, where = found[method]
            figures = f"{s.unit_hv.mean:.3f} | {s.hv.mean:.3f}"
            yield f"| {what} | {published} | {figures} | {where.name}, `{method}` |"


KINDS: Mapping[str, Callable[..., Iterator[str]]] = {
    "methods": methods,
    "contexts": contexts,
    "devices": devices,
    "paper": paper,
}
"""Tables by the word that stands in a page's mark."""


def rewrite(page: str, root: Path) -> tuple[str, list[str]]:
    """A page with every marked table made anew, and what had to stay as it was.

    A mark is a line `<!-- table: KIND DIR [ARGUMENT] -->`; the table reaches to the line
    `<!-- end of table -->`. Directories are taken from `root`; where one is missing, the table
    stays.

    Raises:
        RequestError: For an unknown kind, or a mark without an end.
    """
    lines, kept, left = iter(page.splitlines()), list[str](), list[str]()
    for line in lines:
        kept.append(line)
        if not line.startswith(BEGIN):
            continue
        old = _until_end(line, lines)
        try:
            kept += ["", *_table(line, root), ""]
        except RequestError as error:
            kept += old
            left.append(f"{line}: {error}")
        kept.append(END)
    return "\n".join(kept) + "\n", left


def _until_end(mark: str, lines: Iterator[str]) -> list[str]:
    old: list[str] = []
    for line in lines:
        if line == END:
            return old
        old.append(line)
    raise RequestError(f"{mark}: no {END} below it")


def _table(mark: str, root: Path) -> list[str]:
    kind, folder, *arguments = mark.removeprefix(BEGIN).removesuffix("-->").split()
    if kind not in KINDS:
        raise RequestError(f"{kind}: expected one of {', '.join(KINDS)}")
    rest = [root / a if "/" in a else a for a in arguments]
    return list(KINDS[kind](root / folder, *rest))


def _read(folder: Path) -> tuple[Settings, list[Row], tuple[str, ...]]:
    settings, records = load_rows(folder)
    rows = [record.row for record in records]
    # Rows come as runs finish: the whole system goes first, all others are compared with it.
    names = dict.fromkeys(row.method for row in rows)
    return settings, rows, tuple(sorted(names, key=lambda name: name != OFFLINE))


def _summaries(folder: Path) -> list[MethodSummary]:
    _, rows, names = _read(folder)
    return summarise(rows, names)


def _headline(settings: Settings, seeds: int, runs: int) -> str:
    return (
        f"{settings.budget} evaluations, {seeds} seed{'s' * (seeds != 1)}, {runs} runs a method; "
        f"{settings.data_source}; predictor: {settings.predictor}, {settings.labels} labels."
    )


def _method_line(s: MethodSummary) -> str:
    versus = s.comparison
    won = f"{versus.contexts_won}/{versus.contexts}" if versus else ""
    runs = f"{versus.wins}/{versus.ties}/{versus.losses}" if versus else ""
    p = f"{s.p_holm:.0e}" if s.p_holm is not None else ""
    # One seed gives no interval, and an interval of no width would look like certainty.
    interval = f" [{s.hv.low:.4f}, {s.hv.high:.4f}]" if s.hv.low < s.hv.high else ""
    return (
        f"| {s.method} | {s.hv.mean:.4f}{interval} "
        f"| {s.hv_at_k.mean:.4f} | {s.igd_plus.mean:.4f} | {s.unit_hv.mean:.4f} "
        f"| {100 * s.of_ceiling:.1f} % | {won} | {runs} | {p} |"
    )


def _cells(name: str, values: Sequence[float], form: str) -> str:
    texts = [form.format(v) for v in (*values, sum(values) / len(values))]
    return f"| {name} | {' | '.join(texts)} |"
