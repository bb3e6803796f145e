"""What the accuracy predictor reads: the 13 proxies and, on request, the structure of the cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from llm_nas.domain import PROXIES, BoolArray, FloatArray
from llm_nas.ports import Benchmark, SearchSpace
from llm_nas.tools.data.own import OWN_NAME, own_proxies
from llm_nas.tools.estimator import normal_scores
from llm_nas.tools.predictor_paths import Structure, structure_of
from llm_nas.tools.space import nas_bench_201

FeatureSet: TypeAlias = Literal["proxies", "proxies+structure"]
FEATURE_SETS: tuple[FeatureSet, ...] = get_args(FeatureSet)

DONORS: Mapping[str, str] = {
    "cifar10": "ImageNet16-120",
    "cifar100": "cifar10",
    "ImageNet16-120": "cifar10",
}
"""Where a data set borrows the proxies nobody has published for it (docs/predictor.md)."""

PROXY_WEIGHT = 0.04
"""Squared inverse length scale shared by the proxies' normal scores (see `Features.embedding`)."""


@dataclass(frozen=True, slots=True)
class Features:
    """Feature matrices of all cells and what is known about them; read-only."""

    values: FloatArray
    """`(size, d)` for the trees, NaN where a proxy is missing."""
    embedding: FloatArray
    """`(size, e)` for the Gaussian process: standardised and weighted, so that Euclidean distance
    is its notion of likeness. Proxies enter as normal scores; a missing one is at the mean and
    marked by a column of its own, so it is like other missing ones and neutral otherwise."""
    names: tuple[str, ...]
    """Names of the columns of `values`."""
    proxies_missing: dict[str, int]
    """Number of cells without a value of this data set, for every proxy that lacks some."""
    proxies_from: dict[str, str]
    """Where else a proxy's values come from: another data set, or this project's measurement."""


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


def borrow(
    proxies: FloatArray, benchmark: Benchmark, dataset: str, space: SearchSpace, twins: bool = True
) -> tuple[FloatArray, dict[str, str]]:
    """Fill proxies that no cell has with another data set's; returns them and what was borrowed.

    A proxy measures a network before training, so what it says on one set of images ranks cells
    on another almost as well. Proxies that the data set has for some cells stay as they are.
    """
    absent = _without_values(proxies)
    donor = DONORS.get(dataset)
    if donor is None or not absent.any():
        return proxies, {}
    lent = proxy_matrix(benchmark, donor, space, twins)
    taken = np.asarray(absent & ~_without_values(lent), dtype=np.bool_)
    names = [name for name, yes in zip(PROXIES, taken.tolist(), strict=True) if yes]
    return np.where(taken, lent, proxies), dict.fromkeys(names, donor)


def measured(
    proxies: FloatArray, dataset: str, space: SearchSpace
) -> tuple[FloatArray, list[str]]:
    """Fill proxies that no cell has with this project's own measurement; returns their names too.

    Non-canonical cells take the value of their twin.
    """
    found = own_proxies(dataset) if space.name == nas_bench_201().name else None
    if found is None:
        return proxies, []
    own = found.values[space.canonical_index()]
    taken = np.asarray(_without_values(proxies) & ~_without_values(own), dtype=np.bool_)
    names = [name for name, yes in zip(PROXIES, taken.tolist(), strict=True) if yes]
    return np.where(taken, own, proxies), names


def _without_values(proxies: FloatArray) -> BoolArray:
    return np.asarray(np.isnan(proxies).all(axis=0), dtype=np.bool_)


def build_features(
    benchmark: Benchmark,
    dataset: str,
    space: SearchSpace,
    features: FeatureSet = "proxies+structure",
    twins: bool = True,
    transfer: bool = True,
    own: bool = False,
) -> Features:
    """The features of a data set's cells; arguments as in `PredictorOptions`."""
    proxies = proxy_matrix(benchmark, dataset, space, twins)
    absent = np.isnan(proxies).sum(axis=0)
    missing = {name: int(n) for name, n in zip(PROXIES, absent, strict=True) if n}
    lent: dict[str, str] = {}
    if own:
        proxies, names = measured(proxies, dataset, space)
        lent = dict.fromkeys(names, OWN_NAME)
    if transfer:
        proxies, others = borrow(proxies, benchmark, dataset, space, twins)
        lent |= others
    if features == "proxies":
        return Features(_locked(proxies), embed_proxies(proxies), PROXIES, missing, lent)
    structure = structure_of(space)
    return Features(
        values=_locked(np.hstack([proxies, structure.values])),
        embedding=_locked(np.hstack([embed_proxies(proxies), _embed(structure)])),
        names=PROXIES + structure.names,
        proxies_missing=missing,
        proxies_from=lent,
    )


def embed_proxies(
    proxies: FloatArray, transform: Callable[[FloatArray], FloatArray] = normal_scores
) -> FloatArray:
    """The proxies' part of an embedding, `(size, e)`, from a matrix `(size, 13)`.

    `transform` works column by column, centres at 0 and leaves NaN where it is.
    """
    scores = transform(proxies[:, np.isfinite(proxies).any(axis=0)])
    known = np.isfinite(scores)
    marks = (~known[:, ~known.all(axis=0)]).astype(np.float64)
    columns = np.hstack([np.where(known, scores, 0.0), marks])
    return _weighted(columns, PROXY_WEIGHT)


def _embed(structure: Structure) -> FloatArray:
    blocks = [
        _weighted(structure.values[:, block.start : block.stop], block.weight)
        for block in structure.blocks
        if block.weight > 0
    ]
    return np.hstack(blocks)


def _weighted(columns: FloatArray, weight: float) -> FloatArray:
    """Standardised columns that together contribute `weight` x their mean squared distance."""
    spread = columns.std(axis=0)
    kept = columns[:, spread > 0]
    standard = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    return np.asarray(np.sqrt(weight / kept.shape[1]) * standard, dtype=np.float64)


def _locked(values: FloatArray) -> FloatArray:
    values.flags.writeable = False
    return values
