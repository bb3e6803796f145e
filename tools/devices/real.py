"""Devices that measure: networks are exported and timed by a runner, here or elsewhere."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, Failure, TaskShape, Timing
from llm_nas.errors import RequestError, ToolError
from llm_nas.ports import SearchSpace
from llm_nas.tools.devices.card import DeviceCard, open_card
from llm_nas.tools.devices.client import RunnerClient, Say
from llm_nas.tools.devices.remote import connector
from llm_nas.tools.devices.timing import Latency, steady


class RealDevice:
    """Times ONNX files on one runner; a `Device` of the ports for the networks of a space."""

    exact = False

    def __init__(
        self,
        client: RunnerClient,
        card: DeviceCard,
        space: SearchSpace | None = None,
        shape: TaskShape | None = None,
    ) -> None:
        self.card = card
        self.client = client
        self._space = space
        self._shape = shape or TaskShape()

    @property
    def name(self) -> str:
        """What results call it: `host`, or the name before `=`."""
        return self.client.name

    @property
    def source(self) -> str:
        """How and where latencies come about; connects to say so."""
        how = f"batch {self.card.batch}, {self.card.threads} threads, {self.card.precision}"
        return f"measured: {self.client.hello()}; {how}"

    @property
    def about(self) -> str:
        """The device card in words, for prompts."""
        card = self.card
        return f"Device {self.name}: {card.kind}; {card.runtime}, {card.precision}. {card.notes}"

    def supports(self, arch: Arch) -> str | None:
        """None: what cannot run there is found out by measuring it."""
        del arch
        return None

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        """Export and time every network, in order."""
        return [self._measure(arch) for arch in archs]

    def time_file(self, path: Path) -> Latency:
        """Time one ONNX file.

        Raises:
            ToolError: when it does not run there.
        """
        model = path.read_bytes()
        return steady(lambda: self.client.time(model, self.card))

    def of(self, space: SearchSpace, shape: TaskShape) -> "RealDevice":
        """The same device and connection for the networks of another space."""
        return RealDevice(self.client, self.card, space, shape)

    def close(self) -> None:
        """End the connection."""
        self.client.close()

    def _measure(self, arch: Arch) -> Timing | Failure:
        started = time.perf_counter()
        stage = "build"
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = self._exported(arch, Path(folder) / "network.onnx")
                size = path.stat().st_size / 1e6
                stage = "time"
                latency = self.time_file(path)
        except ToolError as error:
            seconds = time.perf_counter() - started
            return _failure(arch, stage, str(error), seconds)
        return Timing(
            arch=arch,
            median_ms=latency.median_ms,
            low_ms=latency.low_ms,
            high_ms=latency.high_ms,
            n=latency.n,
            seconds=time.perf_counter() - started,
            notes=latency.notes,
            file_mb=size,
        )

    def _exported(self, arch: Arch, path: Path) -> Path:
        """The untrained network as a file: weights change no latency."""
        from llm_nas.tools.export.network import build
        from llm_nas.tools.export.onnx_file import export
        from llm_nas.tools.export.quantise import quantise

        if self._space is None:
            raise RequestError(f"device {self.name} was opened without a space of networks")
        shape = self._shape
        export(build(self._space, arch, shape), shape, path, "trace")
        if self.card.precision == "fp32":
            return path
        size = (32, shape.channels, shape.height, shape.width)
        noise = np.random.default_rng(0).random(size, dtype=np.float32)
        quantised = path.with_name("network.int8.onnx")
        quantise(path, quantised, noise)
        return quantised


def _failure(arch: Arch, stage: str, reason: str, seconds: float) -> Failure:
    kind = "export" if "exporter failed" in reason or "quantisation failed" in reason else stage
    return Failure.model_validate(
        {"arch": arch, "stage": kind, "reason": reason, "seconds": seconds}
    )


def is_real(name: str) -> bool:
    """Whether `open_real_device` knows such devices: `host`, `NAME=cmd:...`, `NAME=ssh://...`."""
    where = name.partition("=")[2]
    return name == "host" or where.startswith(("cmd:", "ssh://"))


def open_real_device(
    name: str,
    space: SearchSpace | None = None,
    shape: TaskShape | None = None,
    *,
    precision: str | None = None,
    patience_seconds: float = 600.0,
    say: Say | None = None,
) -> RealDevice:
    """The device `host`, `NAME=cmd:COMMAND` or `NAME=ssh://[USER@]HOST[:PORT]`.

    Args:
        name: As on the command line.
        space: Whose networks are measured; None where only files are timed.
        shape: The images and classes the networks are built for.
        precision: `fp32` or `int8`, over what the device card says.
        patience_seconds: How long a device that cannot be reached is waited for.
        say: Told when a connection is lost or made again.

    Raises:
        RequestError: for a malformed name, address or device card.
    """
    label, _, where = name.partition("=")
    if not label or not all(c.isalnum() or c in "-_." for c in label) or label[0] in "-.":
        raise RequestError(f"{label!r} is no device name: letters, digits, '-', '_' and '.'")
    connect = connector(where or label)
    card = open_card(label)
    if precision is not None:
        card = DeviceCard.model_validate(card.model_dump() | {"precision": precision})
    client = RunnerClient(label, connect, patience_seconds=patience_seconds, say=say)
    return RealDevice(client, card, space, shape)
