"""The embedded pack's models: small networks and count formulas over a cell's operations.

A `Network` is a perceptron that reads a cell as two one-hot codes, of the cell as written and of
its canonical twin, and gives all quantities of one group at once as normal scores, which stored
quantiles turn back into units. Devices whose cost only depends on how often each operation occurs
(eyeriss, fpga) have a linear formula instead. NumPy alone evaluates both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.data.nb201.cells import OPERATIONS, SIZE
from llm_nas.tools.data.networks import Arrays, Networks, networks_from
from llm_nas.tools.spaces.nb201.cells import CONV1, CONV3, POOL, live_edges


def inputs() -> npt.NDArray[np.float32]:
    """What the networks read: `(size, 60)`, one-hot codes of each cell and of its twin."""
    one_hot = np.eye(len(OPERATIONS), dtype=np.float32)[cells.codes()].reshape(SIZE, -1)
    return np.hstack([one_hot, one_hot[cells.canonical_rows()]])


def counts(codes: IntArray) -> FloatArray:
    """What the formulas read, `(n, 4)`: 1, and how many 3x3, 1x1 convolutions and poolings."""
    per_operation = [np.sum(codes == op, axis=1) for op in (CONV3, CONV1, POOL)]
    return np.column_stack([np.ones(len(codes)), *per_operation])


def roofline(design: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Cost of cells, `(n,)`: the larger of two linear costs, `design` `(n, 4)`, `(2, 4)`.

    An accelerator is either bound by its arithmetic or by its memory; on eyeriss and for large
    images on fpga one of the two always wins and both rows are equal.
    """
    return np.asarray((design @ coefficients.T).max(axis=1), dtype=np.float64)


def fit_roofline(design: FloatArray, cost: FloatArray, starts: int = 40) -> FloatArray:
    """Coefficients `(2, 4)` of least squared error.

    Max-affine regression (Magnani & Boyd, Optim. Eng. 2009): assign each cell to the larger of
    two linear costs, refit both, repeat; the best of several random splits, always the same ones.
    """
    rng = np.random.default_rng(0)
    plain = np.linalg.lstsq(design, cost, rcond=None)[0].astype(np.float64)
    best = np.stack([plain, plain])
    for _ in range(starts):
        if np.allclose(roofline(design, best), cost, rtol=1e-9):
            break
        slopes = np.asarray(rng.standard_normal(design.shape[1] - 1), dtype=np.float64)
        height = np.asarray(design[:, 1:] @ slopes, dtype=np.float64)
        upper = np.asarray(height > np.median(height), dtype=np.bool_)
        found = _alternate(design, cost, upper)
        best = min(best, found, key=lambda c: float(((roofline(design, c) - cost) ** 2).sum()))
    return best


def _alternate(
    design: FloatArray, cost: FloatArray, second: BoolArray, rounds: int = 50
) -> FloatArray:
    """Coefficients `(2, 4)` where no cell changes sides any more, from a first split `(n,)`."""
    coefficients = np.zeros((2, design.shape[1]))
    for _ in range(rounds):
        for row, side in enumerate((~second, second)):
            if side.any():
                coefficients[row] = np.linalg.lstsq(design[side], cost[side], rcond=None)[0]
        lines = design @ coefficients.T
        changed = np.asarray(lines[:, 1] > lines[:, 0], dtype=np.bool_)
        if np.array_equal(changed, second):
            break
        second = changed
    return coefficients


def connected(codes: IntArray) -> BoolArray:
    """`(n,)`: whether some path without `none` leads from input to output."""
    return np.asarray(live_edges(codes).any(axis=1), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Network:
    """A perceptron with two hidden layers and a quantile curve per output."""

    quantities: tuple[str, ...]
    layers: Networks
    """One network, in a group of its own."""
    knots: FloatArray
    """`(k,)`: increasing normal scores."""
    curves: FloatArray
    """`(quantities, k)`: non-decreasing values, in units, at the knots."""

    def predict(self, x: npt.NDArray[np.float32]) -> dict[str, FloatArray]:
        """`(n,)` values in units by quantity name."""
        scores = self.layers.mean(x)
        return {
            name: np.interp(scores[:, j], self.knots, self.curves[j])
            for j, name in enumerate(self.quantities)
        }

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The network as named arrays, for an `.npz`."""
        return {
            f"{prefix}.quantities": np.array(self.quantities),
            f"{prefix}.knots": self.knots.astype(np.float32),
            f"{prefix}.curves": self.curves.astype(np.float32),
            **self.layers.arrays(prefix, np.float32),
        }


def network_from(arrays: Arrays, prefix: str) -> Network:
    """The network that `Network.arrays` stored; `KeyError` when part of it is missing."""
    return Network(
        quantities=tuple(str(name) for name in arrays[f"{prefix}.quantities"]),
        layers=networks_from(arrays, prefix),
        knots=arrays[f"{prefix}.knots"].astype(np.float64),
        curves=arrays[f"{prefix}.curves"].astype(np.float64),
    )
