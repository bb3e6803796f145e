"""A device that somebody else wrote, in a coat that turns its errors into failed timings."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from llm_nas.domain import Arch, Failure, FloatArray, TaskShape, Timing
from llm_nas.errors import LlmNasError
from llm_nas.plugins import opened
from llm_nas.ports import Device, SearchSpace
from llm_nas.tools.devices.table import TableDevice


class BroughtDevice:
    """Implements `llm_nas.ports.Device` on one of an entry point, `module:NAME` or a file."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.name: str = device.name
        self.exact: bool = device.exact
        self.source: str = device.source
        self.about: str = getattr(device, "about", "")
        self.archs: tuple[Arch, ...] | None = getattr(device, "archs", None)

    def supports(self, arch: Arch) -> str | None:
        """Why an architecture cannot run there; None when it can."""
        return self._device.supports(arch)

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        """One answer per architecture, in order; whatever the device raises fails them all."""
        try:
            answers = self._device.measure(archs)
        except LlmNasError:
            raise
        except Exception as error:  # noqa: BLE001 - code of others may raise anything
            why = f"{type(error).__name__}: {error}"
            return [Failure(arch=arch, stage="time", reason=why) for arch in archs]
        if [answer.arch for answer in answers] != list(archs):
            why = f"{self.name} answered for other networks than it was asked about"
            return [Failure(arch=arch, stage="time", reason=why) for arch in archs]
        return answers


def as_table(device: Device) -> TableDevice | None:
    """An exact device as one whose latencies are looked up; None for one that measures."""
    if isinstance(device, TableDevice):
        return device
    if not (isinstance(device, BroughtDevice) and device.exact):
        return None

    def lookup(archs: Sequence[Arch]) -> FloatArray:
        answers = device.measure(archs)
        return np.array([a.median_ms if isinstance(a, Timing) else np.nan for a in answers])

    return TableDevice(device.name, device.source, lookup, device.archs)


def open_brought(name: str, space: SearchSpace, shape: TaskShape | None) -> BroughtDevice:
    """The device of a name, made with space and shape where it is a class or function.

    Raises:
        RequestError: There is no such thing, it fails, or it is no device.
    """
    return BroughtDevice(cast("Device", opened("devices", name, space, shape)))
