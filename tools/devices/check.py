"""Whether a device answers and measures: a tiny network, timed twice."""

import tempfile
from pathlib import Path
from typing import Any

from llm_nas.domain import TaskShape
from llm_nas.tools.devices.real import RealDevice


def check(device: RealDevice) -> dict[str, Any]:
    """Who answers, and two timings of one tiny network that should agree.

    Raises:
        ToolError: when the device cannot run it.
        RunStopped: when the device cannot be reached.
    """
    who = str(device.client.hello())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.onnx"
        _write_tiny(path)
        first, second = device.time_file(path), device.time_file(path)
    agree = first.low_ms <= second.high_ms and second.low_ms <= first.high_ms
    notes = list(dict.fromkeys((*first.notes, *second.notes)))
    if not agree:
        notes.append(f"two timings disagree: {first.median_ms:.4g} and {second.median_ms:.4g} ms")
    return {
        "device": device.name,
        "answers": who,
        "card": device.card.model_dump(),
        "median_ms": second.median_ms,
        "low_ms": second.low_ms,
        "high_ms": second.high_ms,
        "agree": agree,
        "notes": notes,
    }


def _write_tiny(path: Path) -> None:
    from torch import nn

    from llm_nas.tools.export.onnx_file import export

    layers = (
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    export(nn.Sequential(*layers), TaskShape(), path, "trace")
