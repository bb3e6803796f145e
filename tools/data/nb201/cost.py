"""Parameters and multiply-adds of NAS-Bench-201 networks in closed form.

Both are additive over the six edges: every cell is repeated N = 5 times in each of three
stages of 16, 32 and 64 channels, so an operation costs the same wherever it stands.
"""

import numpy as np

from llm_nas.domain import FloatArray, IntArray

_CHANNELS = (16, 32, 64)
_CELLS_PER_STAGE = 5
_STEM_AND_HEAD_PARAMS = 72_656
"""Parameters outside the cells, without the classifier's 64 weights and one bias per class."""

CLASSES = {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
IMAGE_PX = {"cifar10": 32, "cifar100": 32, "ImageNet16-120": 16}
CHANCE_PCT = {dataset: 100 / classes for dataset, classes in CLASSES.items()}
"""Accuracy of guessing, in %."""

_FLOPS_OUTSIDE = {"cifar10": 7.78305, "cifar100": 7.7889, "ImageNet16-120": 1.9534}
"""Multiply-adds outside the cells in M as NAS-Bench-201 counts them: convolutions, classifier."""
_NASLIB_FLOPS_OUTSIDE = {"cifar10": 7.943872, "cifar100": 7.949632, "ImageNet16-120": 1.993792}
"""The same as NASLib counts them: batch norm, ReLU and pooling included."""


def _counts(codes: IntArray, operation: int) -> FloatArray:
    return np.asarray((codes == operation).sum(axis=1), dtype=np.float64)


def params_m(codes: IntArray, dataset: str) -> FloatArray:
    """Trainable parameters in M, `(n,)`, of cells given as `(n, 6)` operation codes."""
    weights = _CELLS_PER_STAGE * sum(c * c for c in _CHANNELS)
    norms = _CELLS_PER_STAGE * 2 * sum(_CHANNELS)
    conv3x3, conv1x1 = 9 * weights + norms, weights + norms
    head = _STEM_AND_HEAD_PARAMS + 65 * CLASSES[dataset]
    return (head + conv3x3 * _counts(codes, 2) + conv1x1 * _counts(codes, 3)) / 1e6


def flops_m(codes: IntArray, dataset: str) -> FloatArray:
    """Multiply-adds in M, `(n,)`, in NAS-Bench-201's convention: convolutions only."""
    conv1x1 = _conv1x1_flops_m(dataset)
    cell = 9 * conv1x1 * _counts(codes, 2) + conv1x1 * _counts(codes, 3)
    return _FLOPS_OUTSIDE[dataset] + cell


def naslib_flops_m(codes: IntArray, dataset: str) -> FloatArray:
    """The `flops` proxy of NAS-Bench-Suite-Zero in M, `(n,)`: norms and pooling count too."""
    conv1x1, norm = _conv1x1_flops_m(dataset), _norm_flops_m(dataset)
    convolutions = (9 * conv1x1 + norm) * _counts(codes, 2) + (conv1x1 + norm) * _counts(codes, 3)
    pooling = 3 * norm * _counts(codes, 4)
    return _NASLIB_FLOPS_OUTSIDE[dataset] + convolutions + pooling


def _conv1x1_flops_m(dataset: str) -> float:
    """One 1x1 convolution edge through all cells: channels halve the pixels they double."""
    pixels = IMAGE_PX[dataset] ** 2
    return len(_CHANNELS) * _CELLS_PER_STAGE * pixels * _CHANNELS[0] ** 2 / 1e6


def _norm_flops_m(dataset: str) -> float:
    """Batch norm (2 per value) and ReLU (1 per value, counted on one edge end) of such an edge."""
    pixels = IMAGE_PX[dataset] ** 2
    values = sum(c * pixels // (c // _CHANNELS[0]) ** 2 for c in _CHANNELS)
    return 3 * _CELLS_PER_STAGE * values / 1e6
