"""Which cells are labelled: uniformly, spread over complexity niches, or by design."""

from typing import Literal, TypeAlias, get_args

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.ports import Partition
from llm_nas.tools.predictor_design import design

DrawScheme: TypeAlias = Literal["uniform", "niches", "balanced"]
"""Schemes that draw at random."""
DRAW_SCHEMES: tuple[DrawScheme, ...] = get_args(DrawScheme)
LabelScheme: TypeAlias = Literal["uniform", "niches", "balanced", "design"]
LABEL_SCHEMES: tuple[LabelScheme, ...] = get_args(LabelScheme)
DESIGN_BELOW = 300
"""Number of labels from which `niches` draws at random; fewer are designed."""
_DESIGN_EXPONENT = -0.25
"""Chosen on tuning seeds between 0 (best overall) and -1/2 (best in S5); docs/predictor.md."""
MOST_DESIGNED = 1000
"""A design takes time and memory in proportion to the number of labels squared."""

MIN_LABELS = 20
HELD_BACK = 100
"""Cells that always stay unlabelled, so that a hold-out sample exists."""

_FULL_SPREAD = 1000
"""Number of labels from which niches are labelled in proportion to the root of their size."""


def scheme_for(labels: int, asked: LabelScheme) -> LabelScheme:
    """The scheme that is used: a few labels are worth choosing, so `niches` becomes `design`.

    Raises:
        RequestError: more than `MOST_DESIGNED` labels by design.
    """
    if asked == "design" and labels > MOST_DESIGNED:
        raise RequestError(f"labels: {labels} by design, at most {MOST_DESIGNED} can be")
    return "design" if asked == "niches" and labels < DESIGN_BELOW else asked


def choose_labels(
    embedding: FloatArray, partition: Partition, labels: int, seed: int, by: LabelScheme
) -> IntArray:
    """`labels` distinct cell indices by any scheme; see `draw_labels` and `design`.

    A design weights cells by size^(-1/4) of their niche: the small niches at the ends of the
    front count for more than their share.
    """
    if by != "design":
        return draw_labels(partition, labels, seed, by)
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
