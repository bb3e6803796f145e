"""Groups of equal perceptrons, one group per quantity, evaluated by NumPy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from llm_nas.domain import FloatArray

Float32: TypeAlias = npt.NDArray[np.float32]
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


def silu(x: Float32) -> Float32:
    """Each value times its sigmoid, without overflow for large negative ones."""
    half = np.float32(0.5)
    return np.asarray(x * (half + half * np.tanh(half * x)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Networks:
    """`m` perceptrons with the same layers; each predicts the standardised quantity."""

    weights: tuple[Float32, ...]
    """One `(m, inputs, outputs)` per layer."""
    biases: tuple[Float32, ...]
    """One `(m, 1, outputs)` per layer."""

    def mean(self, x: Float32) -> FloatArray:
        """Mean over the perceptrons, `(n,)`, from inputs `(n, d)`."""
        total = np.zeros(len(x))
        for member in range(len(self.weights[0])):
            hidden = x
            for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
                hidden = silu(hidden @ weight[member] + bias[member])
            total += (hidden @ self.weights[-1][member] + self.biases[-1][member])[:, 0]
        return np.asarray(total / len(self.weights[0]), dtype=np.float64)

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The group as named arrays of half precision, for an `.npz`."""
        named: dict[str, npt.NDArray[Any]] = {}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            named[f"{prefix}.w{layer}"] = weight.astype(np.float16)
            named[f"{prefix}.b{layer}"] = bias.astype(np.float16)
        return named


def networks_from(arrays: Arrays, prefix: str) -> Networks:
    """The group that `Networks.arrays` stored; `KeyError` when part of it is missing."""
    layers = sum(name.startswith(f"{prefix}.w") for name in arrays)
    return Networks(
        tuple(arrays[f"{prefix}.w{layer}"].astype(np.float32) for layer in range(layers)),
        tuple(arrays[f"{prefix}.b{layer}"].astype(np.float32) for layer in range(layers)),
    )
