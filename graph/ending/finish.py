"""From a member of a front to a file to ship: trained long, exported, quantised, measured.

Everything the card says of accuracy and latency was measured on the exported file itself.
"""

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from llm_nas.domain import ACCURACY, Failure, FrontPoint, SearchReport
from llm_nas.errors import RequestError, StoreError, ToolError
from llm_nas.evaluation.exported import Tested, score_exported
from llm_nas.frozen import Frozen
from llm_nas.graph.ending.pick import pick as pick_member
from llm_nas.tools.devices.real import RealDevice, is_real, open_real_device
from llm_nas.tools.devices.timing import Latency
from llm_nas.tools.export.card import Card, FileFigures, write_card
from llm_nas.tools.export.onnx_file import Exported, Exporter, compare, export
from llm_nas.tools.export.quantise import quantise
from llm_nas.tools.tasks.real import RealTask, open_real_task, shape_of_real

EXPORTERS: tuple[Exporter, ...] = ("trace", "dynamo")
_LONGER = 6
_LEAST_EPOCHS = 30
_COMPARED_IMAGES = 256

Say = Callable[[str], None]


class Finished(Frozen):
    """What `finish` made: a folder with `model.onnx`, weights, card and a script."""

    folder: Path
    card: Card


def finish(
    run: Path,
    *,
    pick: str = "knee",
    epochs: int | None = None,
    precision: Literal["fp32", "int8"] = "fp32",
    seed: int | None = None,
    say: Say | None = None,
) -> Finished:
    """Finish one member of a run's front.

    Args:
        run: Folder of a finished search on a real task.
        pick: `knee`, a number from 1 (the fastest), or `under 5 ms`.
        epochs: Of the long training; None: six times the search's, at least 30.
        precision: `int8` quantises with calibration on training images.
        seed: Of the long training; None: the run's.
        say: Told what goes on.

    Raises:
        RequestError: for a run that cannot be finished, or a wish that nothing fits.
        ToolError: when training or both exporters fail, or a file differs from torch.
    """
    tell = say or _silent
    report = read_report(run)
    point = pick_member(report.front, pick)
    work = _Work(run, report, point, precision, tell)
    try:
        return work.finished(epochs, report.seed if seed is None else seed)
    finally:
        work.close()


def _silent(line: str) -> None:
    del line


def read_report(run: Path) -> SearchReport:
    """The result of a run on a real task.

    Raises:
        RequestError: when the folder holds none, or the run trained nothing.
    """
    try:
        text = (run / "result.json").read_text(encoding="utf-8")
        report = SearchReport.model_validate_json(text)
    except (OSError, ValidationError) as error:
        raise RequestError(f"{run} is no finished run: {str(error).splitlines()[0]}") from error
    if report.metric != ACCURACY.name or not is_real(report.request.device or "host"):
        raise RequestError(
            f"{run}: {report.space}/{report.task}/{report.device} comes from tables; finish needs "
            "images and a device that measures"
        )
    return report


class _Work:
    """One member on its way to a file."""

    def __init__(
        self, run: Path, report: SearchReport, point: FrontPoint, precision: str, say: Say
    ) -> None:
        from llm_nas.tools.spaces import open_space

        self._report = report
        self._point = point
        self._precision = precision
        self._say = say
        self._run = run
        place = 1 + sorted(p.latency_ms for p in report.front).index(point.latency_ms)
        self.folder = run / "finish" / f"{place}-{precision}"
        self._task_name = report.request.task or report.task
        self._shape = shape_of_real(self._task_name)
        self._space = open_space(report.request.space or report.space, self._shape)
        self._device = open_real_device(report.request.device or "host", say=say)

    def close(self) -> None:
        self._device.close()

    def finished(self, epochs: int | None, seed: int) -> Finished:
        _make(self.folder)
        task = self._task(epochs)
        try:
            network, label = self._trained(task, seed)
            exported = self._exported(network, task)
        finally:
            task.close()
        files = self._measured(exported, task)
        card = self._card(task, label.value, label.seconds, seed, files)
        write_card(card, self.folder)
        return Finished(folder=self.folder, card=card)

    def _task(self, epochs: int | None) -> RealTask:
        usual = self._report.request.epochs
        task = open_real_task(self._task_name, self._space, seed=self._report.seed, epochs=usual)
        wanted = epochs or max(_LEAST_EPOCHS, _LONGER * task.epochs)
        task.close()
        return open_real_task(
            self._task_name,
            self._space,
            seed=self._report.seed,
            epochs=wanted,
            folder=self.folder,
            tell=lambda _, p: self._say(
                f"epoch {p.epoch} of {p.epochs}, loss {p.loss:.3f}, {p.seconds_left:.0f} s left"
            ),
        )

    def _trained(self, task: RealTask, seed: int) -> Any:
        self._say(f"training {self._point.arch} for {task.epochs} epochs")
        label = task.train(self._point.arch, 1.0, seed)
        if isinstance(label, Failure):
            raise ToolError(f"the training failed: {label.reason}")
        network = task.trained(self._point.arch, seed)
        kept = task.weights.path(self._point.arch, task.epochs, seed)
        shutil.copyfile(kept, self.folder / "weights.safetensors")
        return network, label

    def _exported(self, network: Any, task: RealTask) -> dict[Exporter, Exported]:
        """Files of both exporters that compute what torch computes, by exporter."""
        images = task.data.validation.scaled()[:_COMPARED_IMAGES]
        made: dict[Exporter, Exported] = {}
        reasons: list[str] = []
        for exporter in EXPORTERS:
            path = self._file(exporter)
            try:
                facts = export(network, self._shape, path, exporter)
                difference = compare(path, network, images)
            except ToolError as error:
                reasons.append(str(error))
                self._say(str(error))
                continue
            made[exporter] = facts.model_copy(update={"difference": difference})
        if not made or any("differs" in reason for reason in reasons):
            raise ToolError("; ".join(reasons))
        return made

    def _measured(self, made: Mapping[Exporter, Exported], task: RealTask) -> list[FileFigures]:
        """Figures of the file to ship, and of its fp32 original where it was quantised."""
        timed = {exporter: self._device.time_file(self._file(exporter)) for exporter in made}
        best = min(EXPORTERS, key=lambda e: timed[e].median_ms if e in timed else math.inf)
        model = self.folder / "model.onnx"
        source = self._file(best)
        paths: dict[str, Path] = {"fp32": source}
        latencies: dict[str, Latency] = {"fp32": timed[best]}
        if self._precision == "int8":
            paths["int8"] = self.folder / "int8.onnx"
            self._say("quantising with calibration on training images")
            quantise(source, paths["int8"], task.data.train.scaled())
            latencies["int8"] = self._device.time_file(paths["int8"])
        scores = score_exported(tuple(paths.values()), self._task_name)
        rows = [
            _figures(kind, paths[kind], latencies[kind], score, made[best])
            for kind, score in zip(paths, scores, strict=True)
        ]
        paths[self._precision].replace(model)
        for exporter in EXPORTERS:
            self._file(exporter).unlink(missing_ok=True)
        return list(reversed(rows))

    def _file(self, exporter: Exporter) -> Path:
        return self.folder / f"{exporter}.onnx"

    def _card(
        self, task: RealTask, value: float, seconds: float, seed: int, files: list[FileFigures]
    ) -> Card:
        sizes = self._space.quantities([self._point.arch])
        return Card(
            arch=self._point.arch,
            space=self._report.space,
            task=self._report.task,
            device=_told(self._device),
            run=self._report.run,
            classes=task.data.classes,
            height=self._shape.height,
            width=self._shape.width,
            epochs=task.epochs,
            seed=seed,
            recipe=task.recipe,
            training_seconds=seconds,
            validation_accuracy_pct=value,
            search_accuracy_pct=self._point.value,
            search_latency_ms=self._point.latency_ms,
            params_m=float(sizes["params_m"][0]) if "params_m" in sizes else None,
            macs_m=float(sizes["macs_m"][0]) if "macs_m" in sizes else None,
            files=tuple(files),
            lineage=lineage(self._run, self._point.arch),
            notes=(*task.notes, *_slower(files)),
        )


def lineage(run: Path, arch: str) -> dict[str, Any]:
    """Who proposed a network and why, as far as the trace tells; empty where it does not."""
    wanted = ("origin", "operator", "reason", "parents", "generation", "niche")
    found: dict[str, Any] = {}
    try:
        with (run / "trace.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                data = event.get("data", {})
                if data.get("arch") == arch:
                    found |= {key: data[key] for key in wanted if data.get(key)}
                    found.setdefault("generation", event.get("generation"))
    except (OSError, ValueError):
        return found
    return found


def _figures(
    kind: str, path: Path, latency: Latency, score: Tested, exported: Exported
) -> FileFigures:
    return FileFigures(
        precision=kind,
        file_mb=path.stat().st_size / 1e6,
        test_accuracy_pct=score.accuracy_pct,
        test_low_pct=score.low_pct,
        test_high_pct=score.high_pct,
        test_images=score.images,
        latency_ms=latency.median_ms,
        latency_low_ms=latency.low_ms,
        latency_high_ms=latency.high_ms,
        timed_runs=latency.runs,
        notes=latency.notes,
        exporter=exported.exporter,
        opset=exported.opset,
        difference=exported.difference,
        versions=exported.versions,
    )


def _slower(files: Sequence[FileFigures]) -> tuple[str, ...]:
    if len(files) < 2 or files[0].latency_ms <= files[1].latency_ms:
        return ()
    return (f"{files[0].precision} is slower than {files[1].precision} on this device",)


def _told(device: RealDevice) -> str:
    return f"{device.name}: {device.source}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}") from error
