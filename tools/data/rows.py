"""Tables of trained networks: an architecture text and some quantities a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, FloatArray, IntArray
from llm_nas.tools.data.npz import TableFile, write_atomically


@dataclass(frozen=True, slots=True)
class Rows:
    """What was published of some networks of a space."""

    space: str
    archs: tuple[Arch, ...]
    quantities: Mapping[str, FloatArray]
    """`(n,)` by name of a task or device: its metric's value or ms; NaN where missing."""
    source: str

    def save(self, path: Path) -> Path:
        """Write the rows as `.npz`, single precision."""
        table = np.column_stack(list(self.quantities.values())).astype(np.float32)
        return write_atomically(
            path,
            {
                "space": np.array(self.space),
                "source": np.array(self.source),
                "archs": np.frombuffer("\n".join(self.archs).encode("ascii"), dtype=np.uint8),
                "quantities": np.array(list(self.quantities)),
                "values": table,
            },
        )


def load(path: Path) -> Rows:
    """Rows that `Rows.save` wrote; `DataError` when the file is missing or damaged."""
    file = TableFile(path, {"space": (), "source": ()})
    archs = file.read("archs").tobytes().decode("ascii").split("\n")
    table = file.read("values").astype(np.float64)
    names = [str(name) for name in file.read("quantities")]
    return Rows(
        space=str(file.read("space")),
        archs=tuple(archs),
        quantities={name: table[:, column] for column, name in enumerate(names)},
        source=str(file.read("source")),
    )


def merged(
    space: str, source: str, archs: Sequence[Arch], table: Mapping[str, FloatArray]
) -> Rows:
    """Rows with one line per architecture: values of repeated networks are averaged.

    Values are in single precision, as they are stored: the same wherever rows are read from.
    """
    position: dict[Arch, int] = {}
    for arch in archs:
        position.setdefault(arch, len(position))
    rows = np.array([position[arch] for arch in archs], dtype=np.int64)
    return Rows(
        space,
        tuple(position),
        {name: _means(rows, values, len(position)) for name, values in table.items()},
        source,
    )


def _means(rows: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Mean of the known values of every row, `(size,)`; NaN where there is none."""
    known = np.isfinite(values)
    total = np.bincount(rows[known], weights=values[known], minlength=size)
    count = np.bincount(rows[known], minlength=size)
    means = np.full(size, np.nan)
    means[count > 0] = total[count > 0] / count[count > 0]
    return means.astype(np.float32).astype(np.float64)
