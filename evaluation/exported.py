"""Accuracy of exported files on images that no training saw."""

import math
from pathlib import Path

from llm_nas.frozen import Frozen
from llm_nas.tools.export.onnx_file import accuracy_pct, logits_of
from llm_nas.tools.tasks.held_out import open_held_out

_NORMAL_975 = 1.959964


class Tested(Frozen):
    """Accuracy in % on test images, with Wilson's 95 % interval."""

    accuracy_pct: float
    low_pct: float
    high_pct: float
    images: int


def score_exported(paths: tuple[Path, ...], task: str) -> tuple[Tested, ...]:
    """Every file's accuracy on the test images of `digits`, a folder or an `.npz`."""
    images = open_held_out(task)
    scaled = images.scaled()
    return tuple(
        with_interval(accuracy_pct(logits_of(path, scaled), images.labels), len(images))
        for path in paths
    )


def with_interval(accuracy: float, images: int) -> Tested:
    """An accuracy with its interval (Wilson, 1927)."""
    share, z2 = accuracy / 100, _NORMAL_975**2
    centre = (share + z2 / (2 * images)) / (1 + z2 / images)
    spread = math.sqrt(share * (1 - share) / images + z2 / (4 * images**2))
    half = _NORMAL_975 * spread / (1 + z2 / images)
    return Tested(
        accuracy_pct=accuracy,
        low_pct=max(0.0, 100 * (centre - half)),
        high_pct=min(100.0, 100 * (centre + half)),
        images=images,
    )
