"""Compare methods on the same contexts, seeds, predictor and budget; resumable run by run."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray, Frozen
from llm_nas.errors import LlmNasError, RequestError, RunStopped
from llm_nas.evaluation.attainment import hv_curve
from llm_nas.evaluation.finalists import choose_finalists
from llm_nas.evaluation.score import hv_at_k, score
from llm_nas.experiments.engine import Engine, run_tasks
from llm_nas.experiments.methods import make_method
from llm_nas.experiments.rows import Record, Row, RowLog, Settings
from llm_nas.experiments.setting import (
    ContextName,
    Setting,
    benchmark_in,
    open_setting,
    partition_of,
    truth_context,
    upper_ends,
)
from llm_nas.tools.predictor import PredictorOptions

CHECKPOINTS = 12
"""Points of a convergence curve."""


class Plan(Frozen):
    """Everything that determines a comparison's rows."""

    methods: tuple[str, ...]
    contexts: tuple[ContextName, ...]
    seeds: tuple[int, ...]
    budget: int = 120
    labels: int = 1000
    generations: int = 10
    partition: str = "conv3x3"
    data_dir: Path | None = None

    def settings(self) -> Settings:
        """What its rows have in common; opens the benchmark."""
        benchmark = benchmark_in(self.data_dir)
        return Settings(
            budget=self.budget,
            labels=self.labels,
            generations=self.generations,
            partition=self.partition,
            predictor=predictor_in_words(PredictorOptions()),
            data_source=benchmark.source,
            data_digest=benchmark.digest,
        )


def predictor_in_words(options: PredictorOptions) -> str:
    """What tells predictors apart in the settings of a comparison."""
    borrowed = ", missing proxies borrowed from other data sets" if options.transfer else ""
    return f"{options}{borrowed}"


@dataclass(frozen=True, slots=True)
class Task:
    """One run: a method in a context with a seed."""

    plan: Plan
    method: str
    context: ContextName
    seed: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        """The key of the row it will give."""
        device = self.context.device.partition("=")[0]
        return (self.method, self.context.dataset, device, self.seed)


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that raised; it is done again when the comparison is resumed."""

    task: Task
    reason: str


def tasks_of(plan: Plan) -> list[Task]:
    """All runs of a plan, seed by seed; those that share a predictor stand together.

    A comparison that is cut therefore holds whole seeds, which can be compared.
    """
    datasets = dict.fromkeys(context.dataset for context in plan.contexts)
    return [
        Task(plan, method, context, seed)
        for seed in plan.seeds
        for dataset in datasets
        for context in plan.contexts
        if context.dataset == dataset
        for method in plan.methods
    ]


def measure(setting: Setting, method: str, cells: Sequence[int], seconds: float) -> Record:
    """Score the cells a method evaluated."""
    context, predicted = setting.context, setting.predicted_pct
    scores = score(
        context,
        cells,
        predicted,
        setting.partition.labels(),
        hv_ceiling=setting.hv_ceiling,
    )
    upper = upper_ends(setting.data_dir, setting.name.dataset, setting.labels, setting.seed)
    finalists = choose_finalists(setting.latency_ms, predicted, cells, upper_pct=upper)
    steps = sorted({max(1, len(cells) * i // CHECKPOINTS) for i in range(1, CHECKPOINTS + 1)})
    curve = hv_curve(context, cells, predicted, steps)
    row = Row(
        method=method,
        dataset=setting.name.dataset,
        device=setting.name.device.partition("=")[0],
        seed=setting.seed,
        evaluations=len(cells),
        hv=scores.hv,
        hv_at_k=hv_at_k(context, finalists, setting.validation_pct),
        igd_plus=scores.igd_plus,
        unit_hv=scores.unit_hv,
        seconds=seconds,
        igd=scores.igd,
        hv_ceiling=scores.hv_ceiling,
        optimism=scores.optimism,
        niches=scores.coverage.niches,
        latency_deciles=scores.coverage.latency_deciles,
    )
    front = context.points(np.asarray(scores.front, dtype=np.int64))
    return Record(
        row=row,
        cells=tuple(int(c) for c in cells),
        curve=tuple(zip(steps, curve.tolist(), strict=True)),
        front=tuple((float(e), float(ms)) for e, ms in front.tolist()),
        latencies=_digest(setting.latency_ms),
    )


def run_one(task: Task) -> Record | Failure:
    """Run and score one task; an error the project raises on purpose becomes a failure."""
    plan = task.plan
    try:
        setting = open_setting(task.context, task.seed, plan.labels, plan.partition, plan.data_dir)
        method = make_method(task.method, plan.generations)
        start = time.perf_counter()
        cells = method(setting, plan.budget)
        return measure(setting, task.method, cells, time.perf_counter() - start)
    except LlmNasError as error:
        return Failure(task, f"{type(error).__name__}: {error}")


def _check(plan: Plan) -> None:
    """Refuse unknown methods, partitions and tables before anything runs."""
    for method in plan.methods:
        make_method(method)
    names = {plan.partition, *(m.rpartition("@")[2] for m in plan.methods if "@" in m)}
    for context in plan.contexts:
        for name in names:
            partition_of(context, name, data_dir=plan.data_dir)


def _check_tables(plan: Plan, records: Sequence[Record]) -> None:
    """Refuse to add to rows that were made with another table of the same device."""
    tables = {
        (c.dataset, c.device.partition("=")[0]): _digest(
            truth_context(plan.data_dir, c.dataset, c.device).latency_ms
        )
        for c in plan.contexts
    }
    for record in records:
        place = (record.row.dataset, record.row.device)
        known = record.latencies and place in tables
        if known and tables[place] != record.latencies:
            raise RequestError(
                f"--out: its rows of {':'.join(place)} were made with another latency table; "
                "choose another directory"
            )


def _digest(latency_ms: FloatArray) -> str:
    return hashlib.sha256(latency_ms.astype("<f8").tobytes()).hexdigest()[:12]


def compare(
    plan: Plan,
    out: Path,
    jobs: int = 1,
    engine: Engine = "processes",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Record]:
    """Run what is missing of a plan and return all its records.

    Args:
        plan: Methods, contexts, seeds and settings.
        out: Directory of the log; rows already there are not run again.
        jobs: Processes to use.
        engine: `processes`, or `ray` where it is installed.
        progress: Called with the numbers of finished and of all runs.

    Raises:
        RequestError: For unknown names, or a directory with rows of other settings.
        RunStopped: If runs failed; the others are kept and the command can be repeated.
    """
    _check(plan)
    log = RowLog(out, plan.settings(), Record)
    _check_tables(plan, log.records)
    tasks = tasks_of(plan)
    done = {record.row.key for record in log.records}
    missing = [task for task in tasks if task.key not in done]
    finished, failures = len(tasks) - len(missing), list[Failure]()
    progress(finished, len(tasks))
    for result in run_tasks(run_one, missing, jobs, engine):
        if isinstance(result, Failure):
            failures.append(result)
            continue
        log.append(result)
        finished += 1
        progress(finished, len(tasks))
    if failures:
        first = failures[0]
        raise RunStopped(
            f"{len(failures)} of {len(tasks)} runs failed, first {first.task.method} on "
            f"{first.task.context.label} seed {first.task.seed}: {first.reason}; "
            "repeat the command to run them again"
        )
    wanted = {task.key for task in tasks}
    return [record for record in log.records if record.row.key in wanted]
