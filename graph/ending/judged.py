"""What a finished search is worth: by truth where it is known, by its exported files elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_nas.domain import Arch, Failure, Measurement
from llm_nas.evaluation.score import score
from llm_nas.evaluation.truth import Truth, open_truth
from llm_nas.graph.run import Run
from llm_nas.knowledge.archive import ParetoArchive


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures of a result that no search may see; empty where nothing is known."""

    truth: Truth | None = None
    tested: Mapping[Arch, float] = field(default_factory=dict[Arch, float])
    """The task's metric on test data, of members of the front."""
    onnx: Mapping[Arch, str] = field(default_factory=dict[Arch, str])
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of `SearchReport`."""
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    """What to doubt about the figures."""


def judge(
    run: Run, paid: Sequence[Measurement | Failure], reused: Sequence[Measurement]
) -> Judged:
    """Open truth, or export and test the front: nothing is trained for the search after this."""
    from llm_nas.tools.tasks.real import RealTask

    if isinstance(run.context.task, RealTask):
        return _by_files(run, [row for row in paid if isinstance(row, Measurement)])
    truth = open_truth(run.context.name, run.context.space, run.request.data_dir)
    rows = [*reused, *(row for row in paid if isinstance(row, Measurement))]
    return Judged() if truth is None or not rows else _by_truth(run, paid, reused, truth)


def _by_truth(
    run: Run,
    paid: Sequence[Measurement | Failure],
    reused: Sequence[Measurement],
    truth: Truth,
) -> Judged:
    scores = score(paid, truth, reused=reused, niches=len(run.partition.niches))
    errors = truth.errors(list(scores.front))
    metric = truth.metric
    figures = {
        "hv": scores.hv,
        "hv_at": dict(scores.hv_at),
        "igd_plus": scores.igd_plus,
        "optimism": scores.optimism,
        "reference": truth.reference.origin,
    }
    tested = {a: metric.value(float(e)) for a, e in zip(scores.front, errors, strict=True)}
    archs = [row.arch for row in paid if isinstance(row, Measurement)]
    return Judged(truth=truth, tested=tested, figures=figures, notes=_doubts(truth, archs))


def _doubts(truth: Truth, archs: Sequence[Arch]) -> tuple[str, ...]:
    """A note where a run found better networks than the front its figures are shares of."""
    beyond = truth.beyond(archs)
    if not beyond:
        return ()
    return (
        f"{len(beyond)} networks lie beyond the reference front of {truth.context}, so shares of "
        f"it are too high: make it anew ({truth.reference.command or truth.reference.origin})",
    )


def _by_files(run: Run, rows: Sequence[Measurement]) -> Judged:
    """Export the front and the baselines, test the files on images that no training saw."""
    from llm_nas.graph.ending.baselines import read_baselines
    from llm_nas.graph.ending.real import Closer
    from llm_nas.tools.tasks.real import RealTask

    task = run.context.task
    assert isinstance(task, RealTask)
    closer = Closer(task, run.folder, run.request.seed, read_baselines(run.folder))
    closing = closer.close(rows)
    figures = {
        **closing.beside.model_dump(),
        "hv_at": closing.hv_at,
        "optimism": _optimism(run, rows, closing.test_accuracy_pct),
        "reference": "hypervolume over the baselines' own" if closing.baselines else "",
        "baselines": tuple(row.model_dump(mode="json") for row in closing.baselines),
        "baseline_trainings": closing.baseline_trainings,
    }
    return Judged(
        tested=closing.test_accuracy_pct,
        onnx=closing.onnx,
        figures=figures,
        failures=closing.failures,
    )


def _optimism(run: Run, rows: Sequence[Measurement], tested: Mapping[Arch, float]) -> float | None:
    """Mean test error less validation error of the front."""
    metric = run.context.task.metric
    front = ParetoArchive(metric).add(rows).archive.members
    gaps = [
        metric.error(tested[m.arch]) - metric.error(m.value) for m in front if m.arch in tested
    ]
    return sum(gaps) / len(gaps) if gaps else None
