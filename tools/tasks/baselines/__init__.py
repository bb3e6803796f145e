"""Networks a practitioner would try first, trained and timed as the search's own are."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.conditions import Value
from llm_nas.domain import Arch, Failure, TaskShape, Timing
from llm_nas.frozen import Frozen
from llm_nas.ports import SearchSpace
from llm_nas.tools.devices.real import RealDevice
from llm_nas.tools.registry import known
from llm_nas.tools.spaces import open_space
from llm_nas.tools.spaces.macro import MacroSpace, open_macro
from llm_nas.tools.tasks.real import RealTask
from llm_nas.tools.tasks.sources import DIGITS

USUAL = 12
_USUAL_DIGITS = 6
"""Of images so small that a dozen would take longer than the search itself."""
_DRAWN = 400
_SMALL_SIDE = 32
_MIDDLE_SIDE = 64


class Member(Frozen):
    """One known network: a member of a family's macro space."""

    name: str
    family: str
    arch: Arch


class Baseline(Frozen):
    """A known network with its figures, in the words of front entries."""

    name: str
    family: str
    arch: Arch
    accuracy_pct: float
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    params_m: float
    macs_m: float
    trainings: float
    seconds: float


def family_file(family: str) -> Path:
    """The macro space a family's members come from."""
    return Path(__file__).with_name(f"{family}.toml")


def open_family(family: str, shape: TaskShape) -> MacroSpace:
    """A family's space for images of a shape; processes of their own can open it too."""
    return open_macro(str(family_file(family)), shape)


def members(count: int, shape: TaskShape) -> tuple[Member, ...]:
    """The first `count` known networks, families in turn, small ones first."""
    side = min(shape.height, shape.width)
    stem = 1 if side < _SMALL_SIDE else 2
    early = 1 if side < _MIDDLE_SIDE else 2
    wide: dict[str, list[Mapping[str, Value]]] = {
        "mobilenetv2": [
            {"multiplier": m, "stem_stride": stem, "s2": early} for m in (0.25, 0.5, 0.75, 1)
        ],
        "mobilenetv3": [
            {"multiplier": m, "stem_stride": stem, "s1": early} for m in (0.35, 0.5, 0.75, 1)
        ],
        "resnet": [
            {"multiplier": m, "stem_stride": stem, "d1": d, "d2": d, "d3": d}
            for m, d in ((0.5, 1), (1, 1), (1, 3), (2, 2))
        ],
    }
    rows = [_members(family, values, shape) for family, values in wide.items()]
    dealt = chain.from_iterable(zip_longest(*rows))
    return tuple(member for member in dealt if member is not None)[:count]


def _members(
    family: str, wanted: Sequence[Mapping[str, Value]], shape: TaskShape
) -> Iterator[Member]:
    space = open_family(family, shape)
    for values in wanted:
        depth = f", {values['d1']} blocks a stage" if "d1" in values else ""
        name = f"{family} x {values['multiplier']}{depth}"
        yield Member(name=name, family=family, arch=space.arch(values))


def usual(task: RealTask) -> int:
    """How many members are trained where the person names no number."""
    return _USUAL_DIGITS if task.name == DIGITS else USUAL


def time_member(member: Member, device: RealDevice, shape: TaskShape) -> Timing | Failure:
    """The latency of a known network."""
    return device.of(open_family(member.family, shape), shape).measure([member.arch])[0]


def train_member(member: Member, timing: Timing, task: RealTask, seed: int) -> Baseline | Failure:
    """Train a known network by the task's recipe and fidelity; trainings are counted apart."""
    space = open_family(member.family, task.shape)
    label = task.of(space, str(family_file(member.family))).train(member.arch, 1.0, seed)
    if isinstance(label, Failure):
        return label
    size: Mapping[str, Any] = space.quantities([member.arch])
    return Baseline(
        name=member.name,
        family=member.family,
        arch=member.arch,
        accuracy_pct=label.value,
        latency_ms=timing.median_ms,
        latency_low_ms=timing.low_ms,
        latency_high_ms=timing.high_ms,
        params_m=float(size["params_m"][0]),
        macs_m=float(size["macs_m"][0]),
        trainings=label.trainings,
        seconds=label.seconds + timing.seconds,
    )


def in_words(member: Member, row: Baseline | Failure) -> str:
    """What came of a known network, in one line."""
    if isinstance(row, Failure):
        return f"baseline {member.name}: {row.reason}"
    return f"baseline {member.name}: {row.accuracy_pct:.1f} %, {row.latency_ms:.3g} ms"
