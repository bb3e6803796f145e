"""Scores of networks that were not trained: assumptions, told apart from labels.

Where proxies of every member are tabulated, the four that agree best with accuracy across
published studies; elsewhere the size, as logarithms of multiply-adds, parameters, or what the
space calls its size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_nas.domain import Arch, FloatArray
from llm_nas.ports import SearchSpace, ZeroCost
from llm_nas.tools.data.proxies import TaskProxies, tabulated_proxies

PROXY_SCORES = ("nwot", "synflow", "zen", "jacov")
SIZES = ("macs_m", "params_m", "size")


@dataclass(frozen=True, slots=True)
class TabulatedScores:
    """Proxies of a listed space, looked up."""

    proxies: TaskProxies
    names: tuple[str, ...] = PROXY_SCORES

    def scores(self, archs: Sequence[Arch]) -> Mapping[str, FloatArray]:
        """`(n,)` of every score, NaN where it has no value."""
        values = self.proxies.values(archs)
        return {name: values[:, self.proxies.names.index(name)] for name in self.names}


@dataclass(frozen=True, slots=True)
class SizeScores:
    """Logarithms of what a space computes of a network's size; `names` may be empty."""

    space: SearchSpace
    names: tuple[str, ...]

    def scores(self, archs: Sequence[Arch]) -> Mapping[str, FloatArray]:
        """`(n,)` of every score."""
        if not self.names:
            return {}
        sizes = self.space.quantities(archs)
        return {
            name: np.log(np.maximum(sizes[name.removeprefix("log_")], 1e-9)) for name in self.names
        }


def open_zero_cost(
    space: SearchSpace, task_name: str, *, data_dir: Path | None = None
) -> ZeroCost:
    """The scores known for a space and task; none where nothing is known of its members."""
    proxies = tabulated_proxies(space.name, task_name, data_dir)
    if proxies is not None:
        return TabulatedScores(proxies)
    known = {info.name for info in space.quantities_info}
    return SizeScores(space, tuple(f"log_{name}" for name in SIZES if name in known))
