"""A space before a search: what can be chosen, what every choice weighs, how small it goes."""

from collections.abc import Callable, Mapping
from typing import Literal

from llm_nas.choices import Choice
from llm_nas.conditions import Value
from llm_nas.domain import Arch, Failure
from llm_nas.frozen import Frozen
from llm_nas.ports import Device, SearchSpace

SIZES = ("macs_m", "params_m", "size")
"""Quantities that tell large networks from small ones, the preferred first."""

Say = Callable[[str], None]


class Row(Frozen):
    """One choice: what the largest network loses when this choice alone is at its least."""

    choice: str
    words: str
    values: tuple[Value, ...]
    share: float | None = None
    """Of the largest network's multiply-adds, or of what else tells its size."""
    ms: float | None = None
    """Of its measured latency."""


class Shown(Frozen):
    """One network of a space, with its size and measured latency."""

    which: Literal["smallest", "middle", "full"]
    arch: Arch
    params_m: float | None = None
    macs_m: float | None = None
    latency_ms: float | None = None
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None
    failure: str | None = None
    """Why it has no latency."""


class SpaceTable(Frozen):
    """A space as it is shown before a search."""

    space: str
    log10_size: float
    weighed_by: str | None
    """The quantity that `share` is of."""
    rows: tuple[Row, ...]
    networks: tuple[Shown, ...]
    notes: tuple[str, ...] = ()


def table_of(
    space: SearchSpace, device: Device | None = None, say: Say | None = None
) -> SpaceTable:
    """What a person should know of a space before searching it.

    Args:
        space: Any.
        device: What its smallest, middle and largest network are timed on, and what every
            choice saves there; None: nothing is timed.
        say: Told before every timing.
    """
    work = _Work(space, device, say or (lambda _: None))
    return work.table()


class _Work:
    """One table in the making."""

    def __init__(self, space: SearchSpace, device: Device | None, say: Say) -> None:
        self._space = space
        self._device = device
        self._say = say
        known = {q.name for q in space.quantities_info}
        self._known = known
        self._size = next((name for name in SIZES if name in known), None)
        middle = {c.name: c.values[len(c.values) // 2] for c in space.choices}
        ranked = {c.name: self._ranked(c, middle) for c in space.choices}
        self._values: Mapping[str, Mapping[str, Value]] = {
            "smallest": {name: values[0] for name, values in ranked.items()},
            "middle": middle,
            "full": {name: values[-1] for name, values in ranked.items()},
        }

    def _ranked(self, choice: Choice, middle: Mapping[str, Value]) -> list[Value]:
        """Its values by the size of the middle network with each, the smallest first."""
        if self._size is None:
            return list(choice.values)
        sizes = {value: self._weight({**middle, choice.name: value}) for value in choice.values}
        return sorted(choice.values, key=lambda value: sizes[value])

    def _weight(self, values: Mapping[str, Value]) -> float:
        assert self._size is not None
        return float(self._space.quantities([self._space.arch(values)])[self._size][0])

    def table(self) -> SpaceTable:
        networks = (self._shown("smallest"), self._shown("middle"), self._shown("full"))
        rows = tuple(self._row(choice, networks[2].latency_ms) for choice in self._space.choices)
        return SpaceTable(
            space=self._space.name,
            log10_size=self._space.log10_size,
            weighed_by=self._size,
            rows=rows,
            networks=networks,
            notes=tuple(getattr(self._space, "notes", ())),
        )

    def _row(self, choice: Choice, full_ms: float | None) -> Row:
        full = self._values["full"]
        less = {**full, choice.name: self._values["smallest"][choice.name]}
        share = None
        if self._size is not None and (whole := self._weight(full)) > 0:
            share = 1 - self._weight(less) / whole
        ms = None
        if full_ms is not None:
            latency = self._time(self._space.arch(less), choice.name)
            ms = None if isinstance(latency, str) else full_ms - latency[0]
        words = choice.words or choice.name
        return Row(choice=choice.name, words=words, values=choice.values, share=share, ms=ms)

    def _shown(self, which: Literal["smallest", "middle", "full"]) -> Shown:
        arch = self._space.arch(self._values[which])
        sizes = self._space.quantities([arch])
        latency = None if self._device is None else self._time(arch, f"the {which} network")
        told = latency if isinstance(latency, tuple) else (None, None, None)
        return Shown(
            which=which,
            arch=arch,
            params_m=float(sizes["params_m"][0]) if "params_m" in self._known else None,
            macs_m=float(sizes["macs_m"][0]) if "macs_m" in self._known else None,
            latency_ms=told[0],
            latency_low_ms=told[1],
            latency_high_ms=told[2],
            failure=latency if isinstance(latency, str) else None,
        )

    def _time(self, arch: Arch, what: str) -> tuple[float, float, float] | str:
        """Median, least and greatest ms, or why there are none."""
        assert self._device is not None
        self._say(f"timing {what}")
        timing = self._device.measure([arch])[0]
        if isinstance(timing, Failure):
            return timing.reason
        return timing.median_ms, timing.low_ms, timing.high_ms
