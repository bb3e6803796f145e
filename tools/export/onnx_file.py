"""Exports a network as ONNX and proves that the file computes what torch computes."""

import contextlib
import io
import logging
import threading
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import nn

from llm_nas.domain import TaskShape
from llm_nas.errors import ToolError
from llm_nas.frozen import Frozen
from llm_nas.tools.export.network import in_one_line

Exporter: TypeAlias = Literal["trace", "dynamo"]
OPSETS: dict[Exporter, int] = {"trace": 17, "dynamo": 18}
"""What each of torch's exporters writes without converting."""
TOLERANCE = 1e-3
"""Greatest difference of logits, in units of their standard deviation (at least 1)."""
_BATCH = 256
_TURN = threading.Lock()
"""Torch's exporters keep global state: one export at a time."""

Images: TypeAlias = npt.NDArray[np.float32]


class Exported(Frozen):
    """What is known of one exported file."""

    exporter: Exporter
    opset: int
    file_mb: Annotated[float, Field(gt=0)]
    difference: float | None = None
    """Greatest difference to torch's logits, relative; None while not compared."""
    versions: dict[str, str]


def export(network: nn.Module, shape: TaskShape, path: Path, exporter: Exporter) -> Exported:
    """Write `network` as ONNX: input `image` with a free batch axis, output `logits`.

    Raises:
        ToolError: when the exporter fails; no half-written file is left.
    """
    network = network.eval()
    example = torch.rand(2, shape.channels, shape.height, shape.width)
    partial = path.with_name(path.name + ".part")
    try:
        with _TURN, _quietly():
            _write(network, example, partial, exporter)
        partial.replace(path)
    except Exception as error:  # exporters raise dozens of kinds
        partial.unlink(missing_ok=True)
        raise ToolError(f"the {exporter} exporter failed: {in_one_line(error)}") from error
    return Exported(
        exporter=exporter,
        opset=OPSETS[exporter],
        file_mb=path.stat().st_size / 1e6,
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Versions of what writes and runs the files."""
    import onnx
    import onnxruntime  # type: ignore[import-untyped]

    return {
        "torch": str(torch.__version__),
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _write(network: nn.Module, example: torch.Tensor, path: Path, exporter: Exporter) -> None:
    # The two exporters describe a free axis in words of their own.
    free: dict[str, Any] = (
        {"dynamic_axes": {"image": {0: "batch"}, "logits": {0: "batch"}}}
        if exporter == "trace"
        else {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1, max=65_536)},)}
    )
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        opset_version=OPSETS[exporter],
        dynamo=exporter == "dynamo",
        external_data=False,
        verbose=False,
        **free,
    )


@contextlib.contextmanager
def _quietly() -> Generator[None]:
    """Exporters print, log and warn about their own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def logits_of(path: Path, images: Images, threads: int = 1) -> Images:
    """Outputs `(n, classes)` of a file for images `(n, channels, height, width)` in 0..1.

    Raises:
        ToolError: when ONNX Runtime cannot run it.
    """
    from llm_nas.tools.devices.runner import open_session

    try:
        session, name, _ = open_session(path.read_bytes(), threads)
        parts = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
        outputs = [session.run(None, {name: part})[0] for part in parts]
    except Exception as error:  # ONNX Runtime has no common root of its errors
        raise ToolError(f"{path.name} does not run: {in_one_line(error)}") from error
    return np.concatenate(outputs).astype(np.float32)


def torch_logits(network: nn.Module, images: Images) -> Images:
    """The same from torch, on the processor."""
    network = network.eval().to("cpu")
    with torch.no_grad():
        parts = [
            network(torch.from_numpy(images[i : i + _BATCH])).numpy()
            for i in range(0, len(images), _BATCH)
        ]
    return np.concatenate(parts).astype(np.float32)


def compare(path: Path, network: nn.Module, images: Images) -> float:
    """Greatest difference between the file's logits and torch's, relative to their spread.

    Raises:
        ToolError: when it is above `TOLERANCE`, or not a number.
    """
    wanted, got = torch_logits(network, images), logits_of(path, images)
    scale = max(1.0, float(wanted.std()))
    difference = float(np.abs(wanted - got).max()) / scale
    if not difference <= TOLERANCE:
        raise ToolError(
            f"{path.name} differs from torch by {difference:.2g} of the logits' spread, at most "
            f"{TOLERANCE:g} is allowed"
        )
    return difference


def accuracy_pct(logits: Images, labels: npt.NDArray[np.int64]) -> float:
    """Share of images whose greatest logit is their label's, in %."""
    return 100.0 * float((logits.argmax(axis=1) == labels).mean())
