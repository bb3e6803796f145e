"""Truth models: the noise-free value of every architecture of a space too large to be listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data.networks import Networks, networks_from
from llm_nas.tools.data.npz import TableFile, sha256_of
from llm_nas.tools.data.truth.inputs import Inputs

PACK = Path(__file__).parent.parent / "pack"
TASK_OF = {"anb": "imagenet", "hwgpt-s": "openwebtext"}
"""Spaces with a truth model, and the task whose metric it knows."""
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Quantity:
    """One output of a truth model."""

    networks: Networks
    mean: float
    scale: float
    logarithmic: bool
    """Whether the networks predict the natural logarithm."""

    def values(self, standardised: FloatArray) -> FloatArray:
        """`(n,)` in units, from what the networks say."""
        values = self.mean + self.scale * standardised
        return np.asarray(np.exp(values) if self.logarithmic else values, dtype=np.float64)


class TruthModel:
    """Values of every architecture, by quantity: a task's name or a device's."""

    def __init__(self, space: str, path: Path) -> None:
        """Open a file written by `llm-nas data build-truth`.

        Raises:
            DataError: It is missing, damaged or of another format.
        """
        self._file = TableFile(path, {"format": ()})
        found = int(self._file.read("format"))
        if found != FORMAT:
            raise DataError(f"{path}: truth model of format {found}, expected {FORMAT}")
        self.space = space
        tokens = tuple(str(token) for token in self._file.read("tokens"))
        scales = self._file.read("center"), self._file.read("scale")
        self.inputs = Inputs(space, tokens, *scales)
        self.quantities = tuple(str(q) for q in self._file.read("quantities"))
        self._opened: dict[str, Quantity] = {}

    @property
    def devices(self) -> tuple[str, ...]:
        """Quantities that are latencies in ms."""
        return self.quantities[1:]

    @property
    def source(self) -> str:
        """Says that values are modelled, and by which file."""
        return f"truth model of {self.space} ({self.digest[:12]})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256_of(self._file.path)

    def values(self, quantity: str, archs: Sequence[Arch]) -> FloatArray:
        """`(n,)` in the quantity's unit: % top-1, perplexity, ms.

        Raises:
            RequestError: An unknown quantity, or a text that is no architecture of the space.
        """
        modelled = self._quantity(quantity)
        return modelled.values(modelled.networks.mean(self.inputs.matrix(archs))[:, 0])

    def _quantity(self, name: str) -> Quantity:
        if name not in self.quantities:
            raise RequestError(f"'{name}' is not modelled; known: {', '.join(self.quantities)}")
        if name not in self._opened:
            members = (n for n in self._file.names if n.startswith(f"{name}."))
            arrays = {n: self._file.read(n) for n in members}
            mean, scale = arrays[f"{name}.scale"].tolist()
            logarithmic = bool(arrays[f"{name}.log"])
            self._opened[name] = Quantity(networks_from(arrays, name), mean, scale, logarithmic)
        return self._opened[name]


def truth_path(space: str) -> Path:
    """Where the truth model of a space is shipped."""
    return PACK / f"truth_{space.replace('-', '_')}.npz"


@cache
def truth_model(space: str) -> TruthModel:
    """The shipped truth model of a space; `RequestError` where there is none."""
    if space not in TASK_OF:
        raise RequestError(f"space '{space}' has no truth model; known: {', '.join(TASK_OF)}")
    return TruthModel(space, truth_path(space))
