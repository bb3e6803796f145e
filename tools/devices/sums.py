"""Devices of the FBNet space: a network's latency is an exact sum over a look-up table.

HW-NAS-Bench (MIT) timed every operation of every layer once, on images of 32 and of 224 pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, FloatArray, TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.data import npz
from llm_nas.tools.devices.table import TableDevice

SPACE = "fbnet"
FBNET_DEVICES = ("edgegpu", "raspi4", "pixel3", "eyeriss", "fpga")
LARGE_IMAGE = 128
"""Images at least this high take the table of 224 pixels, smaller ones that of 32."""
FBNET_TABLE = Path(npz.__file__).parent / "pack" / "fbnet_latency.npz"
_LAYERS = 22


class FbnetSums:
    """Latencies of the FBNet space on one device."""

    def __init__(self, device: str, large: bool) -> None:
        """Open the shipped table; `DataError` when it is damaged."""
        file = npz.TableFile(FBNET_TABLE, {"devices": (len(FBNET_DEVICES),)})
        size = "large" if large else "small"
        row = [str(name) for name in file.read("devices")].index(device)
        self._operations = {str(name): i for i, name in enumerate(file.read("operations"))}
        self._table = file.read(size)[row].astype(np.float64)
        self._fixed = float(file.read(f"{size}_fixed")[row].sum())
        pixels = 224 if large else 32
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


def open_sums(device: str, shape: TaskShape | None) -> TableDevice:
    """One of `FBNET_DEVICES`, for images of a shape (None: small ones)."""
    sums = FbnetSums(device, large=shape is not None and shape.height >= LARGE_IMAGE)
    return TableDevice(device, sums.source, sums.latencies_ms)
