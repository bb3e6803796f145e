"""Static int8 quantisation, calibrated on training images."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from llm_nas.errors import ToolError
from llm_nas.tools.export.network import in_one_line
from llm_nas.tools.export.onnx_file import Images

CALIBRATION_IMAGES = 256
_BATCH = 32


class _Calibration:
    """Training images in batches, as ONNX Runtime's calibration asks for them."""

    def __init__(self, images: Images) -> None:
        parts = range(0, len(images), _BATCH)
        self._batches: Iterator[Images] = (images[i : i + _BATCH] for i in parts)

    def get_next(self) -> dict[str, Images] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch}

    def set_range(self, start_index: int, end_index: int) -> None:
        raise NotImplementedError  # only asked for calibrations larger than memory


def quantise(source: Path, path: Path, images: Images) -> float:
    """Write an int8 file (QDQ form, weights per channel) of an fp32 file; its size in MB.

    `images`: `(n, channels, height, width)` in 0..1, from training; 256 of them are used.

    Raises:
        ToolError: when ONNX Runtime cannot quantise it.
    """
    from onnxruntime import quantization  # type: ignore[import-untyped]

    chosen = images[
        np.linspace(0, len(images) - 1, min(len(images), CALIBRATION_IMAGES)).astype(int)
    ]
    try:
        with tempfile.TemporaryDirectory() as folder, _quietly():
            prepared = Path(folder) / "prepared.onnx"
            quantization.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared,
                path,
                _Calibration(chosen),  # pyright: ignore[reportArgumentType] - the same methods
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
    except Exception as error:  # of onnx, of ONNX Runtime or of the disk
        path.unlink(missing_ok=True)
        raise ToolError(f"quantisation failed: {in_one_line(error)}") from error
    return path.stat().st_size / 1e6


@contextlib.contextmanager
def _quietly() -> Generator[None]:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
