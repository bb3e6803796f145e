"""Partitions learned from a device, and partitions by the quantiles of a number.

`auto` answers what the hand-made niches leave open: which operations make a cell slow *on this
device*, and where to cut. It needs no accuracy, only the cells' operation counts and the
latency table, which is free to read, so it is made before the search.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray, Niche
from llm_nas.errors import RequestError
from llm_nas.ports import Benchmark, Partition, SearchSpace
from llm_nas.tools.features import connected
from llm_nas.tools.partition import LabelledPartition, make_partition
from llm_nas.tools.space import NasBench201

DEFAULT_NICHES = 6
MOST_NICHES = 50
SMALLEST_SHARE = 0.01
"""A niche holds at least this share of the cells with a latency."""
MOST_TOGETHER = 2
"""Operations whose counts may be added up in one cut; more would not fit a line."""
QUANTILE_AXES = ("latency", "flops", "params")


@dataclass(frozen=True, slots=True)
class _Cut:
    """Cells with at most `most` of these operations go one way, the others the other way."""

    operations: tuple[str, ...]
    most: int
    gain: float
    """Reduction of the summed squared deviation of log latency."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A leaf of the growing tree: allowed counts `(low, high)` by operations, and its cells."""

    bounds: Mapping[tuple[str, ...], tuple[int, int]]
    members: BoolArray


def auto_partition(
    space: NasBench201, latency_ms: FloatArray, niches: int = DEFAULT_NICHES
) -> LabelledPartition:
    """Niches `A0`, `A1`, ... from fast to slow, learned from a device's latencies.

    A regression tree of log latency on operation counts (Breiman et al. 1984), grown best cut
    first: each cut picks the operations and the count that separate fast from slow cells best.

    Args:
        space: The space to divide.
        latency_ms: `(size,)`, NaN where the device has no value; those cells follow the rules.
        niches: How many parts are wanted; there are fewer when no cut is left that pays.

    Raises:
        RequestError: If fewer than two cells have a latency or `niches` is out of range.
    """
    _check_count(niches)
    # Cells that join nothing take next to no time whatever they hold, and would rule the tree.
    known = np.isfinite(latency_ms) & connected(space)
    if np.count_nonzero(known) < 2:
        raise RequestError("partition auto: the device has a latency for fewer than two cells")
    counts = dict(_counts(space))
    log_ms = np.log(np.where(known, latency_ms, 1.0))
    parts = [_Part({}, np.ones(known.shape, dtype=np.bool_))]
    smallest = max(1, int(SMALLEST_SHARE * np.count_nonzero(known)))
    while len(parts) < niches:
        cuts = [_best_cut(part.members & known, counts, log_ms, smallest) for part in parts]
        gains = [cut.gain if cut is not None else 0.0 for cut in cuts]
        widest = int(np.argmax(gains))
        cut = cuts[widest]
        if cut is None or cut.gain <= 0.0:
            break
        parts[widest : widest + 1] = _split(parts[widest], cut, counts, len(space.edges))
    parts.sort(key=lambda part: float(np.median(log_ms[part.members & known])))
    labels = np.zeros(space.size, dtype=np.int64)
    for position, part in enumerate(parts):
        labels[part.members] = position
    rules = [_in_words(part.bounds, len(space.edges)) for part in parts]
    named = [Niche(id=f"A{i}", rule=rule) for i, rule in enumerate(rules)]
    return LabelledPartition(_name("auto", niches), space, named, labels)


def explain(partition: Partition, latency_ms: FloatArray) -> tuple[str, ...]:
    """One line a niche: its rule, size and the range of its latencies on a device."""
    lines: list[str] = []
    for niche in partition.niches:
        members = partition.members(niche.id)
        timed = latency_ms[members]
        timed = timed[np.isfinite(timed)]
        line = f"{niche.id}: {niche.rule}; {members.size} cells"
        if timed.size:
            low, middle, high = np.quantile(timed, (0.05, 0.5, 0.95)).tolist()
            line += f", median {middle:.3g} ms (90 % within {low:.3g} to {high:.3g} ms)"
        lines.append(line)
    return tuple(lines)


def quantile_partition(
    space: SearchSpace, axis: str, unit: str, values: FloatArray, niches: int = DEFAULT_NICHES
) -> LabelledPartition:
    """Parts of about equal size along a number, `Q0` lowest; cells without one join `Q0`.

    Raises:
        RequestError: If no cell has a value or `niches` is out of range.
    """
    _check_count(niches)
    known = values[np.isfinite(values)]
    if known.size == 0:
        raise RequestError(f"partition {axis}: no cell has a value")
    # Equal values must stay together, so ties can leave fewer niches than asked for.
    cuts = np.unique(np.quantile(known, np.linspace(0.0, 1.0, niches + 1)[1:-1]))
    filled = np.where(np.isfinite(values), values, -np.inf)
    raw = np.searchsorted(cuts, filled, side="left")
    used, labels = np.unique(raw, return_inverse=True)
    edges = [f"{cut:.4g}" for cut in cuts.tolist()]
    named: list[Niche] = []
    for position, part in enumerate(used.tolist()):
        above = f"above {edges[part - 1]}" if part else ""
        below = f"at most {edges[part]}" if part < len(edges) else ""
        bounds = " and ".join(filter(None, (above, below))) or "any value"
        named.append(Niche(id=f"Q{position}", rule=f"{axis} {bounds} {unit}"))
    return LabelledPartition(_name(axis, niches), space, named, labels.astype(np.int64))


def open_partition(
    name: str,
    space: NasBench201,
    benchmark: Benchmark,
    dataset: str,
    latency_ms: FloatArray,
    seed: int = 0,
) -> Partition:
    """A partition by name, including those that need a device or a benchmark.

    Beside the names of `make_partition`: `auto` (6 niches) or `auto:K`, and equal parts by
    `latency:K`, `flops:K` or `params:K`.

    Raises:
        RequestError: For an unknown name or a number of niches out of range.
    """
    kind, colon, count = name.partition(":")
    if kind != "auto" and kind not in QUANTILE_AXES:
        return make_partition(space, name, seed)
    if colon and not count.isdecimal():
        raise RequestError(f"partition {name!r}: expected a number of niches after the colon")
    niches = int(count) if colon else DEFAULT_NICHES
    if kind == "auto":
        return auto_partition(space, latency_ms, niches)
    if kind == "latency":
        return quantile_partition(space, kind, "ms", latency_ms, niches)
    if kind == "flops":
        return quantile_partition(space, kind, "M", benchmark.flops_m(dataset), niches)
    return quantile_partition(space, kind, "M", benchmark.params_m(dataset), niches)


def _name(kind: str, niches: int) -> str:
    return kind if niches == DEFAULT_NICHES else f"{kind}:{niches}"


def _check_count(niches: int) -> None:
    if not 1 <= niches <= MOST_NICHES:
        raise RequestError(f"partition: {niches} niches; expected 1 to {MOST_NICHES}")


def _counts(space: SearchSpace) -> Iterator[tuple[tuple[str, ...], IntArray]]:
    """`(size,)` counts of every operation and of every few operations together."""
    codes = space.codes()
    for size in range(1, MOST_TOGETHER + 1):
        for chosen in combinations(range(len(space.operations)), size):
            names = tuple(space.operations[op] for op in chosen)
            yield names, np.asarray(np.isin(codes, chosen).sum(axis=1), dtype=np.int64)


def _best_cut(
    members: BoolArray,
    counts: Mapping[tuple[str, ...], IntArray],
    log_ms: FloatArray,
    smallest: int,
) -> _Cut | None:
    """The cut of these cells that lowers the squared deviation of log latency most."""
    values = log_ms[members]
    best: _Cut | None = None
    for operations, count in counts.items():
        levels = count[members]
        sizes = np.bincount(levels)
        sums = np.bincount(levels, weights=values)
        left_size, left_sum = np.cumsum(sizes)[:-1], np.cumsum(sums)[:-1]
        right_size, right_sum = values.size - left_size, values.sum() - left_sum
        allowed = (left_size >= smallest) & (right_size >= smallest)
        for most in np.flatnonzero(allowed).tolist():
            means = left_sum[most] / left_size[most], right_sum[most] / right_size[most]
            share = left_size[most] * right_size[most] / values.size
            gain = float(share * (means[0] - means[1]) ** 2)
            # Counts come with fewer operations first, so a tie keeps the shorter rule.
            if best is None or gain > best.gain * (1.0 + 1e-9):
                best = _Cut(operations, most, gain)
    return best


def _split(
    part: _Part, cut: _Cut, counts: Mapping[tuple[str, ...], IntArray], edges: int
) -> list[_Part]:
    low, high = part.bounds.get(cut.operations, (0, edges))
    below = counts[cut.operations] <= cut.most
    return [
        _Part({**part.bounds, cut.operations: (low, cut.most)}, part.members & below),
        _Part({**part.bounds, cut.operations: (cut.most + 1, high)}, part.members & ~below),
    ]


def _in_words(bounds: Mapping[tuple[str, ...], tuple[int, int]], edges: int) -> str:
    """The bounds as a phrase such as `exactly 2 nor_conv_3x3 and no avg_pool_3x3`."""
    phrases = [
        f"{_range_in_words(low, high, edges)} {' or '.join(operations)}"
        for operations, (low, high) in bounds.items()
    ]
    return " and ".join(phrases) or "any cell"


def _range_in_words(low: int, high: int, edges: int) -> str:
    if high == 0:
        return "no"
    if low == high:
        return f"exactly {low}"
    if low == 0:
        return f"at most {high}"
    return f"at least {low}" if high == edges else f"{low} to {high}"
