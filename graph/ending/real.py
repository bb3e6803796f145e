"""The end of a search on a real task: exported fronts, test images, and the honest row.

Only here, when nothing more is trained, are test images opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_nas.domain import Arch, Failure, Measurement
from llm_nas.errors import ToolError
from llm_nas.evaluation.baselines import Beside, Point, beside, hypervolume, reference_point
from llm_nas.evaluation.exported import score_exported
from llm_nas.frozen import Frozen
from llm_nas.graph.ending.baselines import Baselines
from llm_nas.knowledge.archive import ParetoArchive
from llm_nas.tools.export.onnx_file import compare, export
from llm_nas.tools.tasks.baselines import Baseline, task_of
from llm_nas.tools.tasks.real import RealTask

FRONT = "front"
BASELINES = "baselines"
"""Folder of their exported files."""
_MOMENTS = (12, 24, 36, 60, 120)
_COMPARED_IMAGES = 64


class TestedBaseline(Baseline):
    """A baseline with the accuracy of its exported file on test images."""

    test_accuracy_pct: float
    onnx: str


class Closing(Frozen):
    """What a real run says beside its front."""

    onnx: dict[Arch, str]
    """Exported files of the front, relative to the run's folder."""
    test_accuracy_pct: dict[Arch, float]
    """Of exported files on test images: the front now and at earlier moments."""
    baselines: tuple[TestedBaseline, ...] = ()
    baseline_trainings: float = 0.0
    beside: Beside
    hv_at: dict[str, float]
    failures: tuple[Failure, ...] = ()
    """Exports and baselines that failed."""


@dataclass(frozen=True, slots=True)
class Closer:
    """Exports, scores and compares what one real run trained."""

    task: RealTask
    folder: Path
    """The run's."""
    seed: int
    baselines: Baselines

    def close(self, rows: Sequence[Measurement]) -> Closing:
        """All of it, for the run's own trainings in order."""
        known, broken = self._scored()
        fronts = {moment: _front(rows[:moment]) for moment in _MOMENTS if moment <= len(rows)}
        last = _front(rows)
        wanted = list(dict.fromkeys([*last, *(a for front in fronts.values() for a in front)]))
        files, failures = self._exported(wanted)
        tested = self._tested(files)
        latencies = {row.arch: row.latency_ms for row in rows}
        points = {arch: (latencies[arch], 100.0 - tested[arch]) for arch in tested}
        theirs = [(row.latency_ms, 100.0 - row.test_accuracy_pct) for row in known]
        return Closing(
            onnx={a: str(files[a].relative_to(self.folder)) for a in last if a in files},
            test_accuracy_pct=tested,
            baselines=known,
            baseline_trainings=self.baselines.trainings,
            beside=beside([points[a] for a in last if a in points], theirs),
            hv_at=_hv_at({m: [points[a] for a in f if a in points] for m, f in fronts.items()},
                         theirs),
            failures=(*failures, *broken, *self.baselines.failures),
        )  # fmt: skip

    def _exported(self, archs: Sequence[Arch]) -> tuple[dict[Arch, Path], list[Failure]]:
        files: dict[Arch, Path] = {}
        failures: list[Failure] = []
        for number, arch in enumerate(archs, start=1):
            try:
                files[arch] = self._export(self.task, arch, f"{FRONT}/{number:02}.onnx")
            except ToolError as error:
                failures.append(Failure(arch=arch, stage="export", reason=str(error)))
        return files, failures

    def _export(self, task: RealTask, arch: Arch, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        network = task.trained(arch, self.seed)
        export(network, task.shape, path, "trace")
        compare(path, network, task.data.validation.scaled()[:_COMPARED_IMAGES])
        return path

    def _tested(self, files: dict[Arch, Path]) -> dict[Arch, float]:
        scores = score_exported(tuple(files.values()), self.task.name)
        return {a: score.accuracy_pct for a, score in zip(files, scores, strict=True)}

    def _scored(self) -> tuple[tuple[TestedBaseline, ...], list[Failure]]:
        """The baselines' exported files on test images."""
        files: dict[Baseline, Path] = {}
        failures: list[Failure] = []
        for number, row in enumerate(self.baselines.rows, start=1):
            try:
                files[row] = self._baseline_file(number, row)
            except ToolError as error:
                failures.append(Failure(arch=row.arch, stage="export", reason=str(error)))
        scores = score_exported(tuple(files.values()), self.task.name)
        rows = tuple(
            TestedBaseline(
                **row.model_dump(),
                test_accuracy_pct=score.accuracy_pct,
                onnx=str(path.relative_to(self.folder)),
            )
            for (row, path), score in zip(files.items(), scores, strict=True)
        )
        return rows, failures

    def _baseline_file(self, number: int, row: Baseline) -> Path:
        return self._export(
            task_of(row.family, self.task), row.arch, f"{BASELINES}/{number:02}.onnx"
        )


def _front(rows: Sequence[Measurement]) -> list[Arch]:
    """Non-dominated networks by what the run measured itself, fastest first."""
    if not rows:
        return []
    return [m.arch for m in ParetoArchive(RealTask.metric).add(rows).archive.members]


def _hv_at(fronts: dict[int, list[Point]], baselines: Sequence[Point]) -> dict[str, float]:
    if not baselines:
        return {}
    reference = reference_point(baselines)
    unit = hypervolume(baselines, reference)
    return {str(m): hypervolume(front, reference) / unit for m, front in fronts.items()}
