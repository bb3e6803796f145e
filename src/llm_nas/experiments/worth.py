"""What a model is worth: the same budget with it in every place, and without it.

Ways: `offline` (no model), `opening` (it opens, half of the first generation, and is not asked
again), `loop` (it opens and has its share later), `blind` (the same with all names hidden),
`sample` (it is asked plainly, no loop). Trainings saved are those that the offline run of the same
context and seed needed to a level of hypervolume, less those of the way; a run that did not get
there counts as if it had with its last training, which is told.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from llm_nas.domain import ContextName, Cost, Failure, Measurement, SearchRequest
from llm_nas.errors import ModelReplyError, RequestError
from llm_nas.evaluation.picture import as_png, new_figure
from llm_nas.evaluation.score import LEVELS, score
from llm_nas.evaluation.stats import Interval, mean_interval
from llm_nas.experiments.compare import shown
from llm_nas.experiments.rows import RowLog
from llm_nas.experiments.sample import open_model, trained_by
from llm_nas.experiments.setting import Order, partition_of, truth_of
from llm_nas.frozen import Frozen
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.ledger import Ledger
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import search

Way: TypeAlias = Literal["offline", "opening", "loop", "blind", "sample"]
WAYS: tuple[Way, ...] = ("offline", "opening", "loop", "blind", "sample")
MANUAL = "manual:"


class WorthPlan(Frozen):
    """Everything that determines the rows."""

    model: str
    contexts: tuple[ContextName, ...]
    seeds: tuple[int, ...]
    ways: tuple[Way, ...] = WAYS
    trainings: int = 24
    opening: int = 12
    batch: int = 6
    base_url: str | None = None
    data_dir: Path | None = None


class WorthSettings(Frozen):
    """What all rows of a directory have in common."""

    model: str
    trainings: int
    opening: int
    batch: int


class WorthRow(Frozen):
    """One run."""

    way: Way
    context: str
    seed: int
    hv_at: dict[str, float]
    trainings_to: dict[str, float | None]
    """Trainings to levels of `hv`; None where a run did not get there."""
    cost: Cost


class WayWorth(Frozen):
    """One way over all contexts and seeds."""

    way: Way
    runs: int
    hv_at: dict[str, Interval]
    saved: dict[str, Interval]
    """Trainings saved against offline, by level."""
    missed: dict[str, int]
    """Runs that did not reach a level."""
    usd: float | None
    """Mean a run; None where the price is unknown."""
    usd_per_training: dict[str, float | None]
    """Money for each training saved, by level; None where none is saved."""


def worth(
    plan: WorthPlan,
    out: Path | None = None,
    transport: Any = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[WorthRow]:
    """Make the runs that are missing of a plan.

    Args:
        plan: Model, contexts, seeds and budget.
        out: Directory of the rows, which are not run again; None: nothing is kept.
        transport: Replaces the providers (scripted models).
        progress: Called with the numbers of finished and of all runs.

    Raises:
        RequestError: For `offline`, which is no model, or a directory of other settings.
    """
    if plan.model == "offline":
        raise RequestError("--model offline: it asks no language model")
    for name in plan.contexts:
        truth_of(name, plan.data_dir)
    settings = WorthSettings(**plan.model_dump(include=set(WorthSettings.model_fields)))
    log = RowLog(out, settings, WorthRow)
    wanted: list[tuple[Way, ContextName, int]] = [
        (w, c, s) for s in plan.seeds for c in plan.contexts for w in plan.ways
    ]
    known = {(r.way, r.context, r.seed) for r in log.records}
    for done, (way, name, seed) in enumerate(wanted):
        progress(done, len(wanted))
        if (way, str(shown(name)), seed) not in known:
            log.append(_row(plan, way, name, seed, transport))
    progress(len(wanted), len(wanted))
    keys = {(w, str(shown(c)), s) for w, c, s in wanted}
    return [row for row in log.records if (row.way, row.context, row.seed) in keys]


def _row(plan: WorthPlan, way: Way, name: ContextName, seed: int, transport: Any) -> WorthRow:
    order = Order(
        context=name,
        seed=seed,
        trainings=plan.trainings,
        opening=plan.opening,
        batch=plan.batch,
        base_url=plan.base_url,
        data_dir=plan.data_dir,
    )
    model = _model(plan.model, way, order)
    made = _sampled if way == "sample" else _searched
    rows, cost = made(way, model, order, transport)
    truth = truth_of(name, plan.data_dir)
    scores = score(rows, truth, niches=len(partition_of(order).niches))
    return WorthRow(
        way=way,
        context=str(shown(name)),
        seed=seed,
        hv_at=scores.hv_at | {f"{plan.trainings}": scores.hv},
        trainings_to=scores.trainings_to,
        cost=cost,
    )


def _model(model: str, way: Way, order: Order) -> str:
    """The model of a run; whoever answers by files finds every run in a folder of its own."""
    if not model.startswith(MANUAL):
        return model
    return f"{model}/{way}-{shown(order.context).device}-{order.seed}"


def _sampled(
    way: Way, model: str, order: Order, transport: Any
) -> tuple[Sequence[Measurement | Failure], Cost]:
    del way
    agents = open_model(model, order, transport)
    try:
        rows = trained_by(agents.opener, order)
    except ModelReplyError as error:
        raise RequestError(f"--model {model}: {error}") from error
    return rows, agents.governor.cost(0.0)


def _searched(
    way: Way, model: str, order: Order, transport: Any
) -> tuple[Sequence[Measurement | Failure], Cost]:
    with tempfile.TemporaryDirectory(prefix="llm-nas-worth-") as folder:
        request = SearchRequest(
            **order.context.model_dump(),
            **order.model_dump(exclude={"context", "partition"}),
            model="offline" if way == "offline" else model,
            model_share=0.0 if way == "opening" else 0.3,
            blind=way == "blind",
            out=Path(folder) / "run",
        )
        inputs = Inputs(transport=transport, picture=False, keep=False)
        report = search(request, inputs)
        ledger = Ledger(report.out / run_dir.CHECKPOINT, [])
        try:
            return ledger.rows(), report.cost
        finally:
            ledger.close()


def summarise(plan: WorthPlan, rows: Sequence[WorthRow]) -> list[WayWorth]:
    """Every way against the offline runs of the same contexts and seeds."""
    by_key = {(r.way, r.context, r.seed): r for r in rows}
    places = [str(shown(name)) for name in plan.contexts]

    def table(way: Way, read: Callable[[WorthRow], float]) -> Any:
        return np.array([[read(by_key[way, p, s]) for p in places] for s in plan.seeds])

    def volume(at: str) -> Callable[[WorthRow], float]:
        return lambda row: row.hv_at[at]

    def price(level: str) -> Callable[[WorthRow], float]:
        return lambda row: _needed(row, level, plan.trainings)

    found: list[WayWorth] = []
    for way in plan.ways:
        mine = [r for r in rows if r.way == way]
        shared = cast("set[str]", set.intersection(*(set(r.hv_at) for r in mine)))
        at = sorted(shared, key=float)
        levels = [f"{level:.2f}" for level in LEVELS]
        saved = {
            level: mean_interval(table("offline", price(level)) - table(way, price(level)))
            for level in levels
        }
        prices = [r.cost.usd for r in mine]
        usd = None if None in prices else sum(p or 0.0 for p in prices) / len(mine)
        found.append(
            WayWorth(
                way=way,
                runs=len(mine),
                hv_at={k: mean_interval(table(way, volume(k))) for k in at},
                saved=saved,
                missed={v: sum(r.trainings_to.get(v) is None for r in mine) for v in levels},
                usd=usd,
                usd_per_training={
                    v: usd / saved[v].mean if usd is not None and saved[v].mean > 0 else None
                    for v in levels
                },
            )
        )
    return found


def _needed(row: WorthRow, level: str, most: int) -> float:
    told = row.trainings_to.get(level)
    return float(most) if told is None else told


def table(plan: WorthPlan, found: Sequence[WayWorth]) -> list[str]:
    """Markdown lines."""
    at = list(found[0].hv_at)
    levels = list(found[0].saved)
    head = [f"hv at {k}" for k in at] + [f"saved to {v}" for v in levels] + ["missed", "USD a run"]
    lines = [f"{plan.model.partition('/')[0]}, {plan.trainings} trainings, "]
    lines[0] += f"{len(plan.contexts)} contexts x {len(plan.seeds)} seeds; saved: trainings"
    lines += ["", f"| way | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for w in found:
        cells = [f"{w.hv_at[k].mean:.3f}" for k in at if k in w.hv_at]
        cells += [
            f"{i.mean:+.1f} ({i.low:+.1f} to {i.high:+.1f})" for i in (w.saved[v] for v in levels)
        ]
        cells += ["/".join(str(n) for n in w.missed.values())]
        cells += ["unknown" if w.usd is None else f"{w.usd:.3g}"]
        lines.append(f"| {w.way} | {' | '.join(cells)} |")
    return lines


def picture(found: Sequence[WayWorth]) -> bytes:
    """A PNG: hypervolume by trainings, with intervals, one line a way."""
    figure, axes = new_figure(6.0, 4.0)
    for w in found:
        at = [float(k) for k in w.hv_at]
        held = list(w.hv_at.values())
        errors = [[i.mean - i.low for i in held], [i.high - i.mean for i in held]]
        axes.errorbar(at, [i.mean for i in held], yerr=errors, marker="o", capsize=3, label=w.way)
    axes.set_xlabel("trainings")
    axes.set_ylabel("hypervolume, share of the reference front's")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return as_png(figure)
