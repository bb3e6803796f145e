"""Networks a practitioner would try first, trained and timed as the search's own are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from llm_nas.conditions import Value
from llm_nas.domain import Arch, Failure, TaskShape
from llm_nas.frozen import Frozen
from llm_nas.tools.devices.real import RealDevice
from llm_nas.tools.spaces.macro import MacroSpace, open_macro
from llm_nas.tools.tasks.real import RealTask

USUAL = 12
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


def run_baselines(
    task: RealTask,
    device: RealDevice,
    *,
    count: int = USUAL,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> tuple[tuple[Baseline, ...], tuple[Failure, ...]]:
    """Train and time known networks by the task's recipe and fidelity.

    Returns:
        Those that worked, and why the others did not; both cost trainings, counted apart.
    """
    kept: list[Baseline] = []
    failed: list[Failure] = []
    chosen = members(count, task.shape)
    for family in dict.fromkeys(member.family for member in chosen):
        space = open_family(family, task.shape)
        trained, timed = task.of(space, str(family_file(family))), device.of(space, task.shape)
        for member in (m for m in chosen if m.family == family):
            row = _measured(member, trained, timed, space, seed)
            (kept if isinstance(row, Baseline) else failed).append(row)  # type: ignore[arg-type]
            if say is not None:
                say(_in_words(member, row))
        trained.close()
    return tuple(kept), tuple(failed)


def _measured(
    member: Member, task: RealTask, device: RealDevice, space: MacroSpace, seed: int
) -> Baseline | Failure:
    timing = device.measure([member.arch])[0]
    if isinstance(timing, Failure):
        return timing
    label = task.train(member.arch, 1.0, seed)
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


def _in_words(member: Member, row: Baseline | Failure) -> str:
    if isinstance(row, Failure):
        return f"baseline {member.name}: {row.reason}"
    return f"baseline {member.name}: {row.accuracy_pct:.1f} %, {row.latency_ms:.3g} ms"
