"""Devices of the FBNet space: a network's latency is an exact sum over a look-up table.

HW-NAS-Bench (MIT) timed every operation of every layer once, on images of 32 and of 224 pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, FloatArray, TaskShape
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data import npz
from llm_nas.tools.data.locate import first_that_holds
from llm_nas.tools.devices.table import TableDevice

SPACE = "fbnet"
FBNET_DEVICES = ("edgegpu", "raspi4", "pixel3", "eyeriss", "fpga")
FBNET_FILE = "fbnet_hwnasbench.npz"
LARGE_IMAGE = 128
"""Images at least this high take the table of 224 pixels, smaller ones that of 32."""
_LAYERS = 22


class FbnetSums:
    """Latencies of the FBNet space on one device."""

    def __init__(self, path: Path, device: str, large: bool) -> None:
        """Open the published table; `DataError` when it is damaged."""
        file = npz.TableFile(path, {})
        size, pixels = ("imagenet", 224) if large else ("cifar100", 32)
        row = [str(name) for name in file.read("lut_metrics")].index(f"{device}_latency")
        self._operations = {str(name): i for i, name in enumerate(file.read("ops"))}
        self._table = file.read(f"lut_{size}")[row].astype(np.float64)
        self._fixed = float(file.read(f"lut_fixed_{size}")[row].sum())
        self.source = f"HW-NAS-Bench look-up tables for images of {pixels} pixels"

    def latencies_ms(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)`: fixed parts and one table entry per layer; texts are `name=operation ...`.

        Raises:
            RequestError: A text has another number of layers or an unknown operation.
        """
        codes = np.array([self._codes(arch) for arch in archs], dtype=np.int64)
        chosen = self._table[np.arange(_LAYERS), codes.reshape(-1, _LAYERS)]
        return np.asarray(self._fixed + chosen.sum(axis=1), dtype=np.float64)

    def _codes(self, arch: Arch) -> list[int]:
        values = [token.partition("=")[2] for token in arch.split(" ")]
        codes = [self._operations[value] for value in values if value in self._operations]
        if len(codes) != _LAYERS or len(values) != _LAYERS:
            raise RequestError(f"arch '{arch}': no network of {_LAYERS} known operations")
        return codes


def open_sums(device: str, shape: TaskShape | None, data_dir: Path | None = None) -> TableDevice:
    """One of `FBNET_DEVICES`, for images of a shape (None: small ones).

    Raises:
        DataError: The table is not there.
    """
    path = first_that_holds((FBNET_FILE,), data_dir)
    if path is None:
        raise DataError(
            f"device {device}: {FBNET_FILE} is not there; name a directory that holds it by "
            "--data-dir or LLM_NAS_DATA"
        )
    sums = FbnetSums(path, device, large=shape is not None and shape.height >= LARGE_IMAGE)
    return TableDevice(device, sums.source, sums.latencies_ms)
