"""Parameters and multiply-adds of all NAS-Bench-201 networks, as the proxies count them."""

import numpy as np

from llm_nas.domain import FloatArray, TaskShape
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.spaces.nb201 import structure
from llm_nas.tools.spaces.nb201.cells import CONV1, CONV3, POOL

SHAPES = {
    "cifar10": TaskShape(height=32, width=32, classes=10),
    "cifar100": TaskShape(height=32, width=32, classes=100),
    "ImageNet16-120": TaskShape(height=16, width=16, classes=120),
}
CHANCE_PCT = {dataset: 100 / shape.classes for dataset, shape in SHAPES.items()}
"""Accuracy of guessing, in %."""

_CHANNELS = (16, 32, 64)
_CELLS_PER_STAGE = 5
_FLOPS_OUTSIDE = {"cifar10": 7.943872, "cifar100": 7.949632, "ImageNet16-120": 1.993792}
"""Multiply-adds outside the cells in M as NASLib counts them: batch norm, ReLU, pooling too."""


def params_m(dataset: str) -> FloatArray:
    """Trainable parameters in M, `(15625,)`."""
    return structure.quantities(cells.codes(), SHAPES[dataset])[:, 0]


def flops_m(dataset: str) -> FloatArray:
    """The `flops` proxy of NAS-Bench-Suite-Zero in M, `(15625,)`: norms and pooling count too.

    Additive over edges: every cell is repeated in three stages whose channels halve the pixels
    they double, so an operation costs the same wherever it stands.
    """
    pixels = SHAPES[dataset].height ** 2
    conv1x1 = len(_CHANNELS) * _CELLS_PER_STAGE * pixels * _CHANNELS[0] ** 2 / 1e6
    values = sum(c * pixels // (c // _CHANNELS[0]) ** 2 for c in _CHANNELS)
    norm = 3 * _CELLS_PER_STAGE * values / 1e6  # 2 a value, and 1 for the ReLU
    cost_of = {CONV3: 9 * conv1x1 + norm, CONV1: conv1x1 + norm, POOL: 3 * norm}
    total = np.full(cells.SIZE, _FLOPS_OUTSIDE[dataset])
    for operation, cost in cost_of.items():
        total += cost * (cells.codes() == operation).sum(axis=1)
    return total
