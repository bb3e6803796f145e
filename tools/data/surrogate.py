"""The embedded pack's models: small networks and count formulas over a cell's operations.

A `Network` is a perceptron that reads a cell as two one-hot codes, of the cell as written and of
its canonical twin, and gives all quantities of one group at once as normal scores, which stored
quantiles turn back into units. Devices whose cost only depends on how often each operation occurs
(eyeriss, fpga) have a linear formula instead. NumPy alone evaluates both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.tools.space import NONE, nas_bench_201

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

_OPERATIONS = 5
_CONV3X3, _CONV1X1, _POOL = 2, 3, 4
_PATHS = ((2,), (0, 4), (1, 5), (0, 3, 5))
"""Edges of the four ways from a cell's input to its output."""


def inputs() -> npt.NDArray[np.float32]:
    """What the networks read: `(size, 60)`, one-hot codes of each cell and of its twin."""
    space = nas_bench_201()
    one_hot = np.eye(_OPERATIONS, dtype=np.float32)[space.codes()].reshape(space.size, -1)
    return np.hstack([one_hot, one_hot[space.canonical_index()]])


def counts(codes: IntArray) -> FloatArray:
    """What the formulas read: `(n, 7)`.

    A constant, the number of 3x3 and 1x1 convolutions and poolings, and, for cells with any 3x3
    convolution, the constant and the last two again: on fpga they change the schedule.
    """
    conv3x3, conv1x1, pool = (np.sum(codes == op, axis=1) for op in (_CONV3X3, _CONV1X1, _POOL))
    ones, heavy = np.ones(len(codes)), (conv3x3 > 0).astype(np.float64)
    columns = [ones, conv3x3, conv1x1, pool, heavy, heavy * conv1x1, heavy * pool]
    return np.column_stack(columns)


def connected(codes: IntArray) -> BoolArray:
    """`(n,)`: whether some path without `none` leads from input to output."""
    intact = [np.all(codes[:, list(path)] != NONE, axis=1) for path in _PATHS]
    return np.asarray(np.any(intact, axis=0), dtype=np.bool_)


def silu(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each value times its sigmoid, without overflow for large negative ones."""
    half = np.float32(0.5)
    return np.asarray(x * (half + half * np.tanh(half * x)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Network:
    """A perceptron with two hidden layers and a quantile curve per output."""

    quantities: tuple[str, ...]
    weights: tuple[npt.NDArray[np.float32], ...]
    """Three matrices, `(inputs, outputs)` each."""
    biases: tuple[npt.NDArray[np.float32], ...]
    knots: FloatArray
    """`(k,)`: increasing normal scores."""
    curves: FloatArray
    """`(quantities, k)`: non-decreasing values, in units, at the knots."""

    def scores(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Normal scores `(n, quantities)` from inputs `(n, 60)`."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = silu(x @ weight + bias)
        return np.asarray(x @ self.weights[-1] + self.biases[-1], dtype=np.float32)

    def predict(self, x: npt.NDArray[np.float32]) -> dict[str, FloatArray]:
        """`(n,)` values in units by quantity name."""
        scores = self.scores(x).astype(np.float64)
        return {
            name: np.interp(scores[:, j], self.knots, self.curves[j])
            for j, name in enumerate(self.quantities)
        }

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The network as named arrays, for an `.npz`."""
        named: dict[str, npt.NDArray[Any]] = {
            f"{prefix}.quantities": np.array(self.quantities),
            f"{prefix}.knots": self.knots.astype(np.float32),
            f"{prefix}.curves": self.curves.astype(np.float32),
        }
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            named[f"{prefix}.w{layer}"] = weight
            named[f"{prefix}.b{layer}"] = bias
        return named


def network_from(arrays: Arrays, prefix: str) -> Network:
    """The network that `Network.arrays` stored; `KeyError` when part of it is missing."""
    layers = range(3)
    return Network(
        quantities=tuple(str(name) for name in arrays[f"{prefix}.quantities"]),
        weights=tuple(arrays[f"{prefix}.w{layer}"].astype(np.float32) for layer in layers),
        biases=tuple(arrays[f"{prefix}.b{layer}"].astype(np.float32) for layer in layers),
        knots=arrays[f"{prefix}.knots"].astype(np.float64),
        curves=arrays[f"{prefix}.curves"].astype(np.float64),
    )
