"""Exploration bias: where a model's cells fall, asked plainly, for speed, or by niche."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.agents.blind import open_lexicon
from llm_nas.agents.chat import ChatTransport
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.agents.model_seat import Seat
from llm_nas.agents.model_survey import LATENCY_WISH, Surveyor
from llm_nas.agents.schema import niche_boxes
from llm_nas.domain import Cell, FloatArray, Frozen
from llm_nas.errors import ModelReplyError, RequestError
from llm_nas.ports import Partition, SearchSpace

WAYS = ("plain", "latency", "niches")
DECILES = 10


@dataclass(frozen=True, slots=True)
class BiasSetting:
    """What is asked: `cells` cells in each way, in batches of `batch`."""

    model: str
    dataset: str
    device: str
    cells: int = 24
    batch: int = 4


class WayResult(Frozen):
    """What one way of asking gave; shares are in [0, 1]."""

    way: str
    cells: tuple[str, ...]
    distinct: int
    """Distinct canonical cells."""
    niches: dict[str, int]
    latency_coverage: float
    """Share of the deciles of the device's whole latency range that hold a cell."""
    latency_ms: tuple[float, ...]
    failed: int
    """Batches without a usable answer."""
    failure: str = ""
    """Why the last of them had none."""


class BiasReport(Frozen):
    """Three ways of asking the same model."""

    model: str
    dataset: str
    device: str
    ways: tuple[WayResult, ...]


def measure_bias(
    setting: BiasSetting,
    transport: ChatTransport,
    options: ModelOptions,
    space: SearchSpace,
    partition: Partition,
    latency_ms: FloatArray,
) -> BiasReport:
    """Ask in three ways and see where the cells fall; `latency_ms` is `(size,)`."""
    if setting.cells < 1 or setting.batch < 1:
        raise RequestError("bias: expected at least 1 cell and batches of at least 1")
    surveyor = Surveyor(Seat(transport, setting.model, open_lexicon(space), options))
    ways = tuple(
        _result(way, *_ask(way, setting, surveyor, space, partition), space, partition, latency_ms)
        for way in WAYS
    )
    return BiasReport(
        model=setting.model, dataset=setting.dataset, device=setting.device, ways=ways
    )


def _ask(
    way: str,
    setting: BiasSetting,
    surveyor: Surveyor,
    space: SearchSpace,
    partition: Partition,
) -> tuple[list[Cell], int, str]:
    """Cells, batches without a usable answer, and why the last of those had none."""
    cells: list[Cell] = []
    failed, failure = 0, ""
    everything = np.arange(space.size)
    batches = -(-setting.cells // setting.batch)
    for turn in range(batches):
        niche = partition.niches[turn % len(partition.niches)]
        members = partition.members(niche.id) if way == "niches" else everything
        wish = {"plain": "", "latency": LATENCY_WISH, "niches": f"Constraint: {niche.rule}."}[way]
        count = min(setting.batch, setting.cells - turn * setting.batch)
        try:
            boxes = niche_boxes(space, members)
            cells += surveyor.cells(
                setting.dataset, setting.device, wish, boxes, members, count, turn
            )[:count]
        except ModelReplyError as error:
            failed, failure = failed + 1, str(error)
    return cells, failed, failure


def _result(
    way: str,
    cells: list[Cell],
    failed: int,
    failure: str,
    space: SearchSpace,
    partition: Partition,
    latency_ms: FloatArray,
) -> WayResult:
    indices = [space.index(cell) for cell in cells]
    found = latency_ms[indices][np.isfinite(latency_ms[indices])] if indices else np.empty(0)
    counts = {niche.id: 0 for niche in partition.niches}
    for cell in cells:
        counts[partition.niche_of(cell)] += 1
    return WayResult(
        way=way,
        cells=tuple(space.format(cell) for cell in cells),
        distinct=len({space.canonical(cell) for cell in cells}),
        niches=counts,
        latency_coverage=latency_coverage(found, latency_ms),
        latency_ms=tuple(float(value) for value in found),
        failed=failed,
        failure=failure,
    )


def latency_coverage(found_ms: FloatArray, all_ms: FloatArray) -> float:
    """Share of ten equal parts of the latency range that hold one of `found_ms`."""
    known = all_ms[np.isfinite(all_ms)]
    width_ms = (known.max() - known.min()) / DECILES
    part = np.clip((found_ms - known.min()) / width_ms, 0, DECILES - 1).astype(np.int64)
    return len(np.unique(part)) / DECILES


def draw_bias(report: BiasReport, all_ms: FloatArray, path: Path) -> None:
    """Save a picture: each way's cells over the device's latency range.

    Raises:
        RequestError: It cannot be written there.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots(len(report.ways), 1, sharex=True)
    known = all_ms[np.isfinite(all_ms)]
    span_ms = (float(known.min()), float(known.max()))
    for axis, way in zip(axes, report.ways, strict=True):
        axis.hist(np.array(way.latency_ms), bins=30, range=span_ms)
        axis.set_ylabel("cells")
        axis.set_title(
            f"{way.way}: {way.distinct} distinct, {way.latency_coverage:.0%} of the range",
            fontsize=9,
        )
    axes[-1].set_xlabel(f"latency on {report.device} (ms), {report.model}")
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise RequestError(f"--picture {path}: cannot be written ({error})") from error
