"""Groups of equal perceptrons, evaluated by NumPy alone."""

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
    """`m` perceptrons with the same layers, which predict the same standardised quantities."""

    weights: tuple[Float32, ...]
    """One `(m, inputs, outputs)` per layer."""
    biases: tuple[Float32, ...]
    """One `(m, 1, outputs)` per layer."""

    def part(self, first: int, count: int) -> "Networks":
        """Some of the perceptrons."""
        kept = slice(first, first + count)
        return Networks(
            tuple(weight[kept] for weight in self.weights),
            tuple(bias[kept] for bias in self.biases),
        )

    def mean(self, x: Float32) -> FloatArray:
        """Mean over the perceptrons, `(n, outputs)`, from inputs `(n, d)`."""
        members = [self._one(member, x) for member in range(len(self.weights[0]))]
        return np.asarray(np.mean(members, axis=0, dtype=np.float64), dtype=np.float64)

    def _one(self, member: int, hidden: Float32) -> Float32:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = silu(hidden @ weight[member] + bias[member])
        last = hidden @ self.weights[-1][member] + self.biases[-1][member]
        return np.asarray(last, dtype=np.float32)

    def arrays(
        self, prefix: str, precision: npt.DTypeLike = np.float16
    ) -> dict[str, npt.NDArray[Any]]:
        """The group as named arrays, for an `.npz`."""
        parts = (("w", self.weights), ("b", self.biases))
        return {
            f"{prefix}.{kind}{layer}": array.astype(precision)
            for kind, arrays in parts
            for layer, array in enumerate(arrays)
        }


def networks_from(arrays: Arrays, prefix: str) -> Networks:
    """The group that `Networks.arrays` stored; `KeyError` when part of it is missing.

    A network without a group, as `(inputs, outputs)` and `(outputs,)`, is a group of one.
    """
    count = sum(name.startswith(f"{prefix}.w") for name in arrays) or 1

    def read(kind: str, layer: int) -> Float32:
        found = arrays[f"{prefix}.{kind}{layer}"].astype(np.float32)
        return found if found.ndim == 3 else found.reshape(1, -1, found.shape[-1])

    return Networks(
        tuple(read("w", layer) for layer in range(count)),
        tuple(read("b", layer) for layer in range(count)),
    )
