"""Which cells are labelled: at random, over complexity niches, by design, near the front."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.ports import Partition
from llm_nas.tools.estimator import normal_scores
from llm_nas.tools.predictor_design import design
from llm_nas.tools.predictor_gp import GaussianProcess

DrawScheme: TypeAlias = Literal["uniform", "niches", "balanced"]
"""Schemes that draw at random."""
DRAW_SCHEMES: tuple[DrawScheme, ...] = get_args(DrawScheme)
LabelScheme: TypeAlias = Literal["uniform", "niches", "balanced", "design", "front"]
LABEL_SCHEMES: tuple[LabelScheme, ...] = get_args(LabelScheme)
DESIGN_BELOW = 300
"""Number of labels from which `niches` and `front` draw at random; fewer are designed."""
_DESIGN_EXPONENT = -0.25
"""Chosen on tuning seeds between 0 (best overall) and -1/2 (best in S5); docs/predictor.md."""
MOST_DESIGNED = 1000
"""A design takes time and memory in proportion to the number of labels squared."""

FRONT_SHARE = 0.25
"""Share of `front`'s labels that go where the front is expected; chosen on tuning seeds."""
FRONT_LEVELS = 48
"""Levels of FLOPs, of about equal numbers of cells, that have equal shares of them."""
FRONT_ROUNDS = 4
"""Rounds in which they are chosen, each with what the ones before it said."""

MIN_LABELS = 20
HELD_BACK = 100
"""Cells that always stay unlabelled, so that a hold-out sample exists."""

_FULL_SPREAD = 1000
"""Number of labels from which niches are labelled in proportion to the root of their size."""


def scheme_for(labels: int, asked: LabelScheme) -> LabelScheme:
    """The scheme that is used: few labels are designed, whether `niches` or `front` was asked for.

    Raises:
        RequestError: more than `MOST_DESIGNED` labels by design.
    """
    if asked == "design" and labels > MOST_DESIGNED:
        raise RequestError(f"labels: {labels} by design, at most {MOST_DESIGNED} can be")
    return "design" if asked in ("niches", "front") and labels < DESIGN_BELOW else asked


def drawn_at_random(labels: int, by: LabelScheme) -> int:
    """How many of the first labels were drawn without a look at accuracies."""
    return labels - round(FRONT_SHARE * labels) if by == "front" else labels


Label: TypeAlias = Callable[[IntArray], FloatArray]
"""Trains cells `(n,)`: their validation accuracies in %, `(n,)`."""


@dataclass(frozen=True)
class Cells:
    """What is known of all cells before any is labelled."""

    embedding: FloatArray
    """`(size, e)`, in which distance is unlikeness; see `Features.embedding`."""
    flops_m: FloatArray
    """`(size,)`."""
    partition: Partition


def choose_labels(
    cells: Cells, label: Label, labels: int, seed: int, by: LabelScheme
) -> tuple[IntArray, FloatArray]:
    """`labels` distinct cells by any scheme, and their accuracies in %, `(labels,)` each."""
    if by == "front":
        return front_labels(cells, label, labels, seed)
    if by == "design":
        chosen = designed_labels(cells.embedding, cells.partition, labels, seed)
    else:
        chosen = draw_labels(cells.partition, labels, seed, by)
    return chosen, label(chosen)


def front_labels(
    cells: Cells, label: Label, labels: int, seed: int
) -> tuple[IntArray, FloatArray]:
    """Most labels at random over niches, the others where a front is expected.

    A search, whatever the device, needs good cells ranked well: at every cost, measured in
    FLOPs, which need no device. So in each round a Gaussian process is fitted to all labels at
    hand, and the unlabelled cells that it thinks best of every FLOPs level are dealt in turn.
    """
    first = drawn_at_random(labels, "front")
    chosen = draw_labels(cells.partition, labels, seed, "niches")[:first]
    accuracy_pct = label(chosen)
    edges = np.quantile(cells.flops_m, np.linspace(0.0, 1.0, FRONT_LEVELS + 1)[1:-1])
    levels = np.searchsorted(edges, cells.flops_m, side="right")
    columns: FloatArray | None = None
    for part in np.array_split(np.arange(first, labels), FRONT_ROUNDS):
        targets = normal_scores(accuracy_pct[:, None])[:, 0]
        process = GaussianProcess(cells.embedding, chosen, targets, columns=columns)
        columns = process.cross
        rest = np.setdiff1d(np.arange(len(levels)), chosen, assume_unique=True)
        fresh = best_of_levels(process.mean[rest], levels[rest], len(part))
        chosen = np.concatenate([chosen, rest[fresh]])
        accuracy_pct = np.concatenate([accuracy_pct, label(rest[fresh])])
    return chosen, accuracy_pct


def best_of_levels(promise: FloatArray, levels: IntArray, count: int) -> IntArray:
    """Positions of the best of every level, then of the second best, ..., `(count,)`.

    Args:
        promise: `(n,)`, larger is better.
        levels: `(n,)`, the level of each.
        count: how many, at most n. In the last turn the best go first.
    """
    order = np.lexsort((-promise, levels))
    _, start, sizes = np.unique(levels[order], return_index=True, return_counts=True)
    turn = np.empty(len(order), dtype=np.int64)
    turn[order] = np.arange(len(order)) - np.repeat(start, sizes)
    return np.lexsort((-promise, turn))[:count].astype(np.int64)


def designed_labels(
    embedding: FloatArray, partition: Partition, labels: int, seed: int
) -> IntArray:
    """`labels` distinct cells by design.

    Cells are weighted by size^(-1/4) of their niche: the small niches at the ends of the front
    count for more than their share.
    """
    groups = partition.labels()
    _check_number(labels, len(groups))
    weights = np.bincount(groups).astype(np.float64) ** _DESIGN_EXPONENT
    designed = design(embedding, weights[groups], labels, seed)
    # In random order: any part of the labels is then like the others.
    return np.random.default_rng(seed).permutation(designed)


def _check_number(labels: int, size: int) -> None:
    most = size - HELD_BACK
    if not MIN_LABELS <= labels <= most:
        raise RequestError(f"labels: {labels} is not in {MIN_LABELS}..{most}")


def draw_labels(
    partition: Partition, labels: int, seed: int, by: DrawScheme = "niches"
) -> IntArray:
    """`labels` distinct cell indices, by seed, in drawing order.

    Args:
        partition: its niches are what `niches` and `balanced` spread labels over.
        labels: how many.
        seed: equal seeds draw equal cells.
        by: `uniform` draws from all cells alike. `niches` labels a niche in proportion to
            size^(1 - s/2), where s grows from 0 to 1 with the number of labels up to 1,000: with
            few labels the overall ranking needs large niches, with many the small niches at both
            ends of the Pareto front can have more than their share. `balanced` labels all niches
            equally. docs/predictor.md compares them.

    Raises:
        RequestError: fewer than `MIN_LABELS` or more than `size - HELD_BACK` labels.
    """
    groups = partition.labels()
    _check_number(labels, len(groups))
    rng = np.random.default_rng(seed)
    if by == "uniform":
        return rng.permutation(len(groups))[:labels].astype(np.int64)
    spread = min(labels / _FULL_SPREAD, 1.0) if by == "niches" else 2.0
    sizes = np.bincount(groups)
    shares = quotas(sizes, labels, 1.0 - spread / 2.0)
    drawn = [
        rng.permutation(np.flatnonzero(groups == group))[:share]
        for group, share in enumerate(shares.tolist())
    ]
    return rng.permutation(np.concatenate(drawn)).astype(np.int64)


def quotas(sizes: IntArray, total: int, exponent: float) -> IntArray:
    """How many of `total` go to each group, in proportion to size^exponent, none above its size.

    What a full group cannot take goes to the others; remainders go to the largest fractions.
    """
    filled = np.zeros(len(sizes), dtype=np.float64)
    open_groups = np.ones(len(sizes), dtype=np.bool_)
    while open_groups.any():
        weights = np.where(open_groups, sizes.astype(np.float64) ** exponent, 0.0)
        filled = np.where(
            open_groups, (total - filled[~open_groups].sum()) * weights / weights.sum(), filled
        )
        over = open_groups & (filled > sizes)
        if not over.any():
            break
        filled[over] = sizes[over]
        open_groups &= ~over
    whole = np.floor(filled).astype(np.int64)
    rest = total - int(whole.sum())
    whole[np.argsort(whole - filled, kind="stable")[:rest]] += 1
    return whole
