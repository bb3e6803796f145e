"""What the accuracy predictor reads: the 13 proxies and, on request, the structure of the cell."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from llm_nas.domain import PROXIES, FloatArray
from llm_nas.errors import RequestError
from llm_nas.ports import Benchmark, SearchSpace

FeatureSet: TypeAlias = Literal["proxies", "proxies+structure"]
FEATURE_SETS: tuple[FeatureSet, ...] = get_args(FeatureSet)


@dataclass(frozen=True, slots=True)
class Features:
    """A feature matrix and what is known about it."""

    values: FloatArray
    """`(size, d)`, NaN where a proxy is missing; read-only."""
    names: tuple[str, ...]
    proxies_missing: dict[str, int]
    """Number of cells without a value, for every proxy that lacks some."""


def proxy_matrix(
    benchmark: Benchmark, dataset: str, space: SearchSpace, twins: bool = True
) -> FloatArray:
    """`(size, 13)` proxies in the order of `PROXIES`, NaN where there is none.

    Args:
        benchmark: the published values, which cover canonical cells only.
        dataset: a name of `llm_nas.domain.DATASETS`.
        space: knows the canonical twin of each cell.
        twins: whether a cell without a value takes that of its canonical twin. The twin computes
            the same function of its input (the operations that differ reach no output), so its
            value is a measurement of the same network, not a guess; docs/predictor.md has the
            figures for both settings.
    """
    values = np.array(benchmark.proxies(dataset), dtype=np.float64)
    if twins:
        values = np.where(np.isnan(values), values[space.canonical_index()], values)
    return values


def structure_matrix(space: SearchSpace) -> tuple[FloatArray, tuple[str, ...]]:
    """Operation counts and one-hot edges of the canonical twin, `(size, d)`, and their names."""
    codes = space.codes()[space.canonical_index()]
    operations = range(len(space.operations))
    counts = np.stack([np.sum(codes == op, axis=1) for op in operations], axis=1)
    one_hot = np.eye(len(space.operations))[codes].reshape(len(codes), -1)
    names = [f"count:{op}" for op in space.operations]
    names += [f"{edge}={op}" for edge in space.edges for op in space.operations]
    return np.hstack([counts, one_hot]).astype(np.float64), tuple(names)


def build_features(
    benchmark: Benchmark,
    dataset: str,
    space: SearchSpace,
    features: FeatureSet = "proxies",
    twins: bool = True,
) -> Features:
    """The feature matrix of a data set; `RequestError` for an unknown feature set."""
    if features not in FEATURE_SETS:
        raise RequestError(f"features: unknown '{features}'; use one of {', '.join(FEATURE_SETS)}")
    proxies = proxy_matrix(benchmark, dataset, space, twins)
    absent = np.isnan(proxies).sum(axis=0)
    missing = {name: int(n) for name, n in zip(PROXIES, absent, strict=True) if n}
    values: FloatArray = proxies
    names: tuple[str, ...] = PROXIES
    if features == "proxies+structure":
        structure, structure_names = structure_matrix(space)
        values, names = np.hstack([proxies, structure]), PROXIES + structure_names
    values.flags.writeable = False
    return Features(values, names, missing)
