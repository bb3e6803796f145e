"""Which architectures are labelled: at random, over niches, by design, near the front."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.tools.accuracy.design import design
from llm_nas.tools.accuracy.fixed_scale import FixedScaleProcess, matern52
from llm_nas.tools.accuracy.ranks import normal_scores

LabelScheme: TypeAlias = Literal["uniform", "niches", "design", "front"]
LABEL_SCHEMES: tuple[LabelScheme, ...] = get_args(LabelScheme)
DESIGN_BELOW = 300
"""Number of labels from which `niches` and `front` draw at random; fewer are designed."""
MOST_DESIGNED = 1000
"""A design takes time and memory in proportion to the number of labels squared."""
FRONT_SHARE = 0.25
"""Share of `front`'s labels that go where the front is expected; chosen on tuning seeds."""
FRONT_LEVELS = 48
"""Levels of size, of about equal numbers of architectures, that have equal shares of them."""
FRONT_ROUNDS = 4
"""Rounds in which they are chosen, each with what the ones before it said."""
MIN_LABELS = 20
HELD_BACK = 100
"""Architectures that always stay unlabelled, so that a hold-out sample exists."""
_DESIGN_EXPONENT = -0.25
"""Chosen on tuning seeds between 0 (best overall) and -1/2 (best in small niches)."""
_FULL_SPREAD = 1000
"""Number of labels from which niches are labelled in proportion to the root of their size."""

Goodness: TypeAlias = Callable[[IntArray], FloatArray]
"""Trains rows `(n,)` of the pool: a number `(n,)`, larger is better, NaN for a failure."""


@dataclass(frozen=True)
class Unlabelled:
    """What is known of the pool before any of it is labelled."""

    embedding: FloatArray
    """`(pool, e)`, in which distance is unlikeness; see `Features.embedding`."""
    cost: FloatArray
    """`(pool,)`, of any unit: the front is looked for at every level of it."""
    niches: IntArray
    """`(pool,)`, position of each one's niche."""


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


def choose_labels(
    pool: Unlabelled, goodness: Goodness, labels: int, seed: int, by: LabelScheme
) -> tuple[IntArray, FloatArray]:
    """`labels` distinct rows by any scheme, and what their trainings gave, `(labels,)` each.

    Raises:
        RequestError: fewer than `MIN_LABELS`, or so many that no hold-out sample is left.
    """
    most = len(pool.niches) - HELD_BACK
    if not MIN_LABELS <= labels <= most:
        raise RequestError(f"labels: {labels} is not in {MIN_LABELS}..{most}")
    if by == "front":
        return _front_labels(pool, goodness, labels, seed)
    if by == "design":
        chosen = _designed_labels(pool, labels, seed)
    elif by == "niches":
        chosen = draw_over_niches(pool.niches, labels, seed)
    else:
        chosen = np.random.default_rng(seed).permutation(len(pool.niches))[:labels]
    return chosen.astype(np.int64), goodness(chosen)


def _front_labels(
    pool: Unlabelled, goodness: Goodness, labels: int, seed: int
) -> tuple[IntArray, FloatArray]:
    """Most labels at random over niches, the others where a front is expected.

    A search, whatever the device, needs good architectures ranked well: at every cost, measured
    in operations, which need no device. So in each round a Gaussian process is fitted to all
    labels at hand, and the unlabelled ones that it thinks best of every level are dealt in turn.
    """
    first = drawn_at_random(labels, "front")
    chosen = draw_over_niches(pool.niches, labels, seed)[:first]
    known = goodness(chosen)
    edges = np.quantile(pool.cost, np.linspace(0.0, 1.0, FRONT_LEVELS + 1)[1:-1])
    levels = np.searchsorted(edges, pool.cost, side="right")
    cross = matern52(pool.embedding, pool.embedding[chosen])
    for part in np.array_split(np.arange(first, labels), FRONT_ROUNDS):
        kept = np.isfinite(known)
        targets = normal_scores(known[kept, None])[:, 0]
        process = FixedScaleProcess(pool.embedding[chosen[kept]], targets)
        rest = np.setdiff1d(np.arange(len(levels)), chosen, assume_unique=True)
        promise = process.mean_of(cross if kept.all() else cross[:, kept])[rest]
        fresh = rest[best_of_levels(promise, levels[rest], len(part))]
        chosen = np.concatenate([chosen, fresh])
        known = np.concatenate([known, goodness(fresh)])
        cross = np.hstack([cross, matern52(pool.embedding, pool.embedding[fresh])])
    return chosen, known


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


def _designed_labels(pool: Unlabelled, labels: int, seed: int) -> IntArray:
    """`labels` distinct rows by design.

    Rows are weighted by size^(-1/4) of their niche: the small niches at the ends of the front
    count for more than their share.
    """
    sizes = np.bincount(pool.niches)[pool.niches].astype(np.float64)
    designed = design(pool.embedding, sizes**_DESIGN_EXPONENT, labels, seed)
    # In random order: any part of the labels is then like the others.
    return np.random.default_rng(seed).permutation(designed)


def draw_over_niches(niches: IntArray, labels: int, seed: int) -> IntArray:
    """`labels` distinct rows spread over niches, by seed, in drawing order.

    A niche is labelled in proportion to size^(1 - s/2), where s grows from 0 to 1 with the number
    of labels up to 1,000: with few labels the overall ranking needs large niches, with many the
    small niches at both ends of the front can have more than their share.
    """
    rng = np.random.default_rng(seed)
    shares = quotas(np.bincount(niches), labels, 1.0 - min(labels / _FULL_SPREAD, 1.0) / 2.0)
    drawn = [
        rng.permutation(np.flatnonzero(niches == niche))[:share]
        for niche, share in enumerate(shares.tolist())
    ]
    return rng.permutation(np.concatenate(drawn)).astype(np.int64)


def quotas(sizes: IntArray, total: int, exponent: float) -> IntArray:
    """How many of `total` go to each group, in proportion to size^exponent, none above its size.

    What a full group cannot take goes to the others; remainders go to the largest fractions.
    """
    filled = np.zeros(len(sizes), dtype=np.float64)
    open_groups = sizes > 0
    while open_groups.any():
        weights = np.where(open_groups, np.maximum(sizes, 1).astype(np.float64) ** exponent, 0.0)
        left = total - filled[~open_groups].sum()
        filled = np.where(open_groups, left * weights / weights.sum(), filled)
        over = open_groups & (filled > sizes)
        if not over.any():
            break
        filled[over] = sizes[over]
        open_groups &= ~over
    whole = np.floor(filled).astype(np.int64)
    rest = total - int(whole.sum())
    whole[np.argsort(whole - filled, kind="stable")[:rest]] += 1
    return whole
