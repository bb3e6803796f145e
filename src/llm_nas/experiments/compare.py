"""Compare methods on the same contexts, seeds, noise and budget; resumable run by run.

Methods get names and numbers; truth is opened here, after a run, to score what it trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from llm_nas.domain import PREDICTED_PROTOCOL, PROTOCOL_VERSION, ContextName
from llm_nas.errors import LlmNasError, RequestError, RunStopped
from llm_nas.evaluation.controls import CONTROLS
from llm_nas.evaluation.score import curve, score
from llm_nas.experiments.engine import Engine, run_tasks
from llm_nas.experiments.methods import Trained, make_method
from llm_nas.experiments.rows import Record, Row, RowLog, Settings
from llm_nas.experiments.setting import Order, opened, partition_of, truth_of
from llm_nas.frozen import Frozen
from llm_nas.ports import Enumerable

MOST_TRAININGS = 5_000
"""Of a run of a comparison: beyond it nothing is scarce any more."""


class Plan(Frozen):
    """Everything that determines a comparison's rows."""

    methods: tuple[str, ...]
    contexts: tuple[ContextName, ...]
    seeds: tuple[int, ...]
    trainings: int = 60
    accuracy: Literal["trained", "predicted"] = "trained"
    labels: int = 1000
    opening: int = 12
    batch: int = 6
    partition: str | None = None
    base_url: str | None = None
    data_dir: Path | None = None

    @property
    def protocol(self) -> int:
        """Which evaluation protocol its figures belong to."""
        return PREDICTED_PROTOCOL if self.accuracy == "predicted" else PROTOCOL_VERSION

    def settings(self) -> Settings:
        """What its rows have in common."""
        return Settings(
            protocol=self.protocol,
            trainings=self.trainings,
            accuracy=self.accuracy,
            labels=self.labels if self.accuracy == "predicted" else None,
            opening=self.opening,
            batch=self.batch,
            partition=self.partition,
        )

    def order(self, context: ContextName, seed: int) -> Order:
        """One run of it."""
        shared = set(Order.model_fields) - {"context", "seed"}
        return Order(context=context, seed=seed, **self.model_dump(include=shared))


@dataclass(frozen=True, slots=True)
class Task:
    """One run: a method and its order."""

    method: str
    order: Order

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """The key of the row it will give."""
        name = shown(self.order.context)
        return (self.method, name.space, name.task, name.device, self.order.seed)


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that raised; it is done again when the comparison is resumed."""

    task: Task
    reason: str


def shown(name: ContextName) -> ContextName:
    """A context as rows name it: a device's file is left out."""
    return name.model_copy(update={"device": name.device.partition("=")[0]})


def tasks_of(plan: Plan) -> list[Task]:
    """All runs of a plan, seed by seed, so that a comparison that is cut holds whole seeds."""
    places = product(plan.seeds, plan.contexts, plan.methods)
    return [Task(method, plan.order(context, seed)) for seed, context, method in places]


def measure(task: Task, trained: Trained) -> Record:
    """Score what a method trained."""
    order = task.order
    truth = truth_of(order.context, order.data_dir)
    scores = score(trained.rows, truth, niches=len(partition_of(order).niches))
    name = shown(order.context)
    row = Row(
        method=task.method,
        **name.model_dump(),
        seed=order.seed,
        trainings=sum(row.trainings for row in trained.rows),
        hv=scores.hv,
        hv_at=scores.hv_at,
        igd_plus=scores.igd_plus,
        seconds=trained.seconds,
    )
    return Record(
        row=row,
        curve=curve(trained.rows, truth),
        optimism=scores.optimism,
        niches=scores.coverage.niches,
        latency_deciles=scores.coverage.latency_deciles,
        trainings_to=scores.trainings_to,
        reference=truth.reference.digest,
    )


def run_one(task: Task) -> Record | Failed:
    """Run and score one task; an error the project raises on purpose becomes a failure."""
    try:
        return measure(task, make_method(task.method)(task.order))
    except LlmNasError as error:
        return Failed(task, f"{type(error).__name__}: {error}")


def check(plan: Plan) -> None:
    """Refuse unknown methods, contexts without truth and impossible budgets before anything runs.

    Raises:
        RequestError: In one line.
    """
    for method in plan.methods:
        make_method(method)
    if plan.trainings > MOST_TRAININGS:
        raise RequestError(f"--trainings {plan.trainings}: expected at most {MOST_TRAININGS}")
    for name in plan.contexts:
        truth_of(name, plan.data_dir)
        space = opened(name, plan.data_dir, 0).space
        asks = [method for method in plan.methods if method in CONTROLS]
        if asks and isinstance(space, Enumerable) and plan.trainings > len(space):
            raise RequestError(
                f"--trainings {plan.trainings}: {name} has {len(space)} architectures in all"
            )
        partition_of(plan.order(name, plan.seeds[0]))


def _check_references(plan: Plan, records: Sequence[Record]) -> None:
    """Refuse to add to rows that were scored by another reference front."""
    digests = {
        str(shown(name)): truth_of(name, plan.data_dir).reference.digest for name in plan.contexts
    }
    for record in records:
        place = str(record.row.context)
        if digests.get(place, record.reference) != record.reference:
            raise RequestError(
                f"--out: its rows of {place} were scored by another reference front; "
                "choose another directory"
            )


def compare(
    plan: Plan,
    out: Path | None = None,
    jobs: int = 1,
    engine: Engine = "processes",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Record]:
    """Run what is missing of a plan and return all its records.

    Args:
        plan: Methods, contexts, seeds and settings.
        out: Directory of the log, whose rows are not run again; None: nothing is kept.
        jobs: Processes to use.
        engine: `processes`, or `ray` where it is installed.
        progress: Called with the numbers of finished and of all runs.

    Raises:
        RequestError: For unknown names, or a directory with rows of other settings.
        RunStopped: If runs failed; the others are kept and the command can be repeated.
    """
    check(plan)
    log = RowLog(out, plan.settings(), Record)
    _check_references(plan, log.records)
    tasks = tasks_of(plan)
    done = {record.row.key for record in log.records}
    missing = [task for task in tasks if task.key not in done]
    finished, failures = len(tasks) - len(missing), list[Failed]()
    progress(finished, len(tasks))
    for result in run_tasks(run_one, missing, jobs, engine):
        if isinstance(result, Failed):
            failures.append(result)
            continue
        log.append(result)
        finished += 1
        progress(finished, len(tasks))
    if failures:
        raise RunStopped(_told(failures, len(tasks), out))
    wanted = {task.key for task in tasks}
    return [record for record in log.records if record.row.key in wanted]


def _told(failures: Sequence[Failed], total: int, out: Path | None) -> str:
    first = failures[0].task
    again = "; repeat the command to run them again" if out is not None else ""
    return (
        f"{len(failures)} of {total} runs failed, first {first.method} on "
        f"{first.order.context} seed {first.order.seed}: {failures[0].reason}{again}"
    )
