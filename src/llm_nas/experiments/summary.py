"""What the rows of a comparison come to, by method and by context."""

from collections.abc import Sequence

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.stats import Comparison, Interval, compare_paired, holm, mean_interval
from llm_nas.experiments.rows import Record
from llm_nas.experiments.setting import is_tuned_on
from llm_nas.frozen import Frozen


class MethodSummary(Frozen):
    """One method over all contexts and the seeds that every method finished."""

    method: str
    runs: int
    hv: Interval
    hv_at: dict[str, Interval]
    """At every checkpoint that all its runs reached."""
    igd_plus: float | None
    optimism: float
    niches: float
    latency_deciles: float
    reached: dict[str, float]
    """Share of runs that reached a level of `hv`."""
    trainings_to: dict[str, float | None]
    """Mean trainings of those runs until they did."""
    seconds: float
    comparison: Comparison | None = None
    """The first method against this one, by `hv`."""
    p_holm: float | None = None


class ContextSummary(Frozen):
    """Means over seeds in one context, by method."""

    space: str
    task: str
    device: str
    tuned_on: bool
    """Whether settings of the search were chosen here."""
    hv: dict[str, float]
    hv_at: dict[str, dict[str, float]]
    """By checkpoint, then method."""


def complete(records: Sequence[Record], methods: Sequence[str]) -> list[Record]:
    """The records of seeds that every method finished in every context.

    Raises:
        RequestError: If there is no such seed.
    """
    keys = {r.row.key for r in records}
    places = {(r.row.space, r.row.task, r.row.device) for r in records}
    seeds = {
        seed
        for seed in {r.row.seed for r in records}
        if all((m, *place, seed) in keys for m in methods for place in places)
    }
    if not seeds:
        raise RequestError("no seed was finished by every method in every context yet")
    return [r for r in records if r.row.seed in seeds and r.row.method in methods]


def table_of(records: Sequence[Record], method: str, at: str | None = None) -> FloatArray:
    """`(seeds, contexts)` of `hv`, or of `hv_at` a checkpoint, of one method."""
    mine = {r.row.key: r.row for r in records if r.row.method == method}
    seeds = sorted({key[-1] for key in mine})
    places = sorted({key[1:4] for key in mine})
    rows = [[mine[method, *place, seed] for place in places] for seed in seeds]
    return np.array([[r.hv if at is None else r.hv_at[at] for r in line] for line in rows])


def checkpoints(records: Sequence[Record]) -> list[str]:
    """Checkpoints that all records have, ascending."""
    first, *others = records
    return [
        at for at in sorted(first.row.hv_at, key=float) if all(at in r.row.hv_at for r in others)
    ]


def summarise(records: Sequence[Record], methods: Sequence[str]) -> list[MethodSummary]:
    """One summary a method, in the given order; the first is compared with every other.

    Raises:
        RequestError: If no seed was finished by all methods in all contexts.
    """
    kept = complete(records, methods)
    tables = {m: table_of(kept, m) for m in methods}
    first, *others = methods
    comparisons = [compare_paired(tables[first], tables[m]) for m in others]
    adjusted = holm([c.p for c in comparisons])
    found = [_summary(kept, m) for m in methods]
    return [found[0]] + [
        summary.model_copy(update={"comparison": comparison, "p_holm": p})
        for summary, comparison, p in zip(found[1:], comparisons, adjusted, strict=True)
    ]


def _summary(records: Sequence[Record], method: str) -> MethodSummary:
    mine = [r for r in records if r.row.method == method]
    distances = [r.row.igd_plus for r in mine if r.row.igd_plus is not None]
    levels = {level: [r.trainings_to.get(level) for r in mine] for level in mine[0].trainings_to}
    paid = {level: [n for n in prices if n is not None] for level, prices in levels.items()}
    return MethodSummary(
        method=method,
        runs=len(mine),
        hv=mean_interval(table_of(mine, method)),
        hv_at={at: mean_interval(table_of(mine, method, at)) for at in checkpoints(mine)},
        igd_plus=float(np.mean(distances)) if distances else None,
        optimism=float(np.mean([r.optimism for r in mine])),
        niches=float(np.mean([r.niches for r in mine])),
        latency_deciles=float(np.mean([r.latency_deciles for r in mine])),
        reached={level: len(prices) / len(mine) for level, prices in paid.items()},
        trainings_to={level: float(np.mean(p)) if p else None for level, p in paid.items()},
        seconds=float(np.mean([r.row.seconds for r in mine])),
    )


def per_context(records: Sequence[Record], methods: Sequence[str]) -> list[ContextSummary]:
    """Means over the seeds that all methods finished, context by context."""
    kept = complete(records, methods)
    found: list[ContextSummary] = []
    for context in dict.fromkeys(r.row.context for r in kept):
        here = [r for r in kept if r.row.context == context]
        at = checkpoints(here)
        found.append(
            ContextSummary(
                **context.model_dump(),
                tuned_on=is_tuned_on(context),
                hv={m: float(table_of(here, m).mean()) for m in methods},
                hv_at={k: {m: float(table_of(here, m, k).mean()) for m in methods} for k in at},
            )
        )
    return found
