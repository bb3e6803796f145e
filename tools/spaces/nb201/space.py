"""NAS-Bench-201 as a search space: the benchmark's strings, its twins, its network."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from llm_nas.choices import Choice
from llm_nas.domain import Arch, FloatArray, Niche, TaskShape
from llm_nas.tools.spaces.legal import Codes
from llm_nas.tools.spaces.nb201 import cells, structure
from llm_nas.tools.spaces.nb201.niches import CONV3X3
from llm_nas.tools.spaces.nb201.paths import path_blocks
from llm_nas.tools.spaces.space import Space, draw_of

if TYPE_CHECKING:
    from torch import nn

_ABOUT = """NAS-Bench-201 (Dong & Yang, ICLR 2020): 15,625 cells, 9,445 of them distinct.
A cell has nodes 1 (input), 2, 3, 4 (output) and six edges 1>2 1>3 2>3 1>4 2>4 3>4; a node is the
sum of its edges. Each edge holds nor_conv_3x3 or nor_conv_1x1 (ReLU, convolution, batch norm),
avg_pool_3x3, skip_connect (identity) or none (cut). The network is a 3x3 stem with 16 channels
and three stages of five equal cells (16, 32, 64 channels), residual blocks halving the image
between them. Text: |OP~0|+|OP~0|OP~1|+|OP~0|OP~1|OP~2|, node by node, ~ before the source node
counted from 0. Edges that no path from 1 to 4 uses change nothing."""


class NasBench201(Space):
    """The space of all 15,625 cells; Enumerable and Buildable."""

    partitions: Mapping[str, tuple[Niche, ...]] = {"conv3x3": CONV3X3}

    def __init__(self, shape: TaskShape | None = None) -> None:
        """Take the task's shape for parameters and multiply-adds; None: CIFAR-10's."""
        self._shape = shape or TaskShape()
        super().__init__(
            "nb201",
            [Choice(e, cells.OPERATIONS, words=f"operation on edge {e}") for e in cells.EDGES],
            groups={"edges": cells.EDGES},
            describe=_ABOUT,
        )
        self.quantities_info = (*structure.QUANTITIES, *self.quantities_info)

    def __len__(self) -> int:
        """15,625."""
        return cells.SIZE

    def __iter__(self) -> Iterator[Arch]:
        """All cells in the benchmark's order."""
        return iter(cells.all_archs())

    def twin(self, arch: Arch) -> Arch:
        """The same network with every operation that no path uses set to `none`."""
        return cells.twin_of(self.parse(arch))

    def build(self, arch: Arch, shape: TaskShape) -> "nn.Module":
        """The benchmark's network with this cell; torch's random state seeds its weights."""
        import torch

        from llm_nas.tools.spaces.nb201.network import CellNetwork

        operations = [str(op) for op in self.values(arch).values()]
        seed = int(torch.randint(2**31, ()).item())
        return CellNetwork(operations, shape.classes, seed=seed, image_channels=shape.channels)

    def features(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n, 62)`: see `structure`."""
        return structure.features(self.codes(archs))

    def feature_blocks(self, archs: Sequence[Arch]) -> list[tuple[FloatArray, float]]:
        """Features for models of many labels, in blocks with a weight each: see `paths`."""
        return path_blocks(cells.twins(self.codes(archs)))

    @cached_property
    def _rows(self) -> dict[Codes, tuple[float, ...]]:
        """Quantities of every cell, by its codes."""
        codes = cells.benchmark_codes()
        rows = structure.quantities(codes, self._shape).tolist()
        return {tuple(c): tuple(r) for c, r in zip(codes.tolist(), rows, strict=True)}

    def _measured(self, arch: Arch) -> tuple[float, ...]:
        arch, codes = self._read(arch)
        return (*self._rows[codes], draw_of(arch))

    def _codes_of(self, text: str) -> Codes:
        return cells.read(text)

    def _text(self, codes: Codes) -> Arch:
        return cells.written(codes)
