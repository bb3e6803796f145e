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
_DRAWN, _RIVALS = 400, 3
_SMALL_SIDE = 32
_MIDDLE_SIDE = 64


class Member(Frozen):
    """One network to compare with: a member of a family's macro space, or of another space."""

    name: str
    family: str
    """A file of this folder, or a space as on the command line."""
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


def chosen(task: RealTask, count: int | None = None) -> tuple[Member, ...]:
    """Whom a search's front is compared with; `count` of None: the usual number.

    Beside a network that the person has: that network, its uniform versions and networks of its
    size from scratch come first.
    """
    number = usual(task) if count is None else count
    own = (*kin(task.space), *rivals(task.space, task.shape))
    return (*own, *members(number, task.shape))[:number]


def kin(space: SearchSpace) -> tuple[Member, ...]:
    """The network that a space is built around, and its uniform versions; else none."""
    uniform = getattr(space, "uniform", None)
    if uniform is None:
        return ()
    family = str(getattr(space, "opened_as", space.name))
    return tuple(Member(name=name, family=family, arch=arch) for name, arch in uniform())


def rivals(space: SearchSpace, shape: TaskShape) -> tuple[Member, ...]:
    """Networks of the base's size that start from scratch, of the first space that ships."""
    base = getattr(space, "full", None)
    if base is None:
        return ()
    family = next(iter(known()))
    other = open_space(family, shape)
    rng = np.random.default_rng(0)
    drawn = [other.sample(rng) for _ in range(_DRAWN)]
    wanted = float(space.quantities([base])["params_m"][0])
    far = np.abs(np.log(other.quantities(drawn)["params_m"] / wanted))
    nearest = [drawn[int(i)] for i in np.argsort(far, kind="stable")[:_RIVALS]]
    return tuple(
        Member(name=f"{family} of the base's size, {number}", family=family, arch=arch)
        for number, arch in enumerate(nearest, start=1)
    )


def space_of(family: str, task: RealTask) -> SearchSpace:
    """The space of a member's family."""
    if family == getattr(task.space, "opened_as", task.space.name):
        return task.space
    if family_file(family).is_file():
        return open_family(family, task.shape)
    return open_space(family, task.shape)


def task_of(family: str, task: RealTask) -> RealTask:
    """The same images, recipe and epochs for the networks of a family."""
    space = space_of(family, task)
    if space is task.space:
        return task
    file = family_file(family)
    return task.of(space, str(file) if file.is_file() else family)


def usual(task: RealTask) -> int:
    """How many members are trained where the person names no number."""
    return _USUAL_DIGITS if task.name == DIGITS else USUAL


def time_member(member: Member, task: RealTask, device: RealDevice) -> Timing | Failure:
    """The latency of a known network."""
    return device.of(space_of(member.family, task), task.shape).measure([member.arch])[0]


def train_member(member: Member, timing: Timing, task: RealTask, seed: int) -> Baseline | Failure:
    """Train a known network by the task's recipe and fidelity; trainings are counted apart."""
    mine = task_of(member.family, task)
    label = mine.train(member.arch, 1.0, seed)
    if isinstance(label, Failure):
        return label
    size: Mapping[str, Any] = mine.space.quantities([member.arch])
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
