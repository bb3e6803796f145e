"""Failure signatures of a search that is still going on, each with its counter-measure.

Three things go wrong in a search by language models and can be seen before it ends: cells
crowd at one latency (the partition failed, or the model ignored what it was asked for),
proposals are not legal in their niche (the prompt was not understood), and the hypervolume
stands still (the knowledge runs in circles). Detectors are pure functions of what a run
measured; none of them sees a test accuracy.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb
from typing import Literal, TypeAlias

import numpy as np

from llm_nas.domain import FloatArray, Frozen, Measurement, Verdict
from llm_nas.evaluation.indicators import bounding_box, hypervolume, objectives

Kind: TypeAlias = Literal["clustering", "invalid", "out_of_niche", "repetition", "stagnation"]

RUN = "run"
"""The niche of a signature that concerns the whole run."""
BANDS = 10
"""Latency bands of equal numbers of reachable cells."""
CHANCE = 0.01
"""A crowding less likely than this, were cells spread evenly over the bands, is a signature."""
BAD_SHARE = 0.25
"""A share of bad proposals that is significantly above this is a signature."""
PATIENCE = 3
"""Generations without gain before a run is called stagnant."""
LEAST_GAIN = 1e-3
"""Relative growth of the hypervolume over `PATIENCE` generations that still counts as gain."""

_KINDS: Mapping[str, Kind] = {
    "illegal": "invalid",
    "no_latency": "invalid",
    "out_of_niche": "out_of_niche",
    "duplicate": "repetition",
    "evaluated": "repetition",
}
_MEASURES: Mapping[Kind, str] = {
    "invalid": "operators fill the niche's places; the source shows by one child if it learned",
    "out_of_niche": "operators, which cannot leave the niche, fill its places",
    "repetition": "operators fill the niche's places; operators that repeat draw fresh cells",
}


class Signature(Frozen):
    """One thing that goes wrong: where, why it is believed, and what to do about it."""

    kind: Kind
    niche: str
    """A niche's id, or `run`."""
    reason: str
    """The figures behind it, in one sentence."""
    measure: str
    """The counter-measure, in one phrase."""
    source: str = ""
    """Of bad proposals: who made them."""
    gaps_ms: tuple[tuple[float, float], ...] = ()
    """Of `clustering`: latency ranges with reachable cells, none of them measured."""


class Tally(Frozen):
    """How the proposals of one source for one niche fared in a generation."""

    niche: str
    raw: int
    source: str = ""
    rejected: tuple[Verdict, ...] = ()


def clustering(niche: str, measured_ms: FloatArray, reachable_ms: FloatArray) -> Signature | None:
    """Cells crowded into at most half of the latency bands, which an even spread would not do.

    Half, because a search that has found the good part of a niche rightly leaves the rest.

    Args:
        niche: Whose cells these are.
        measured_ms: `(n,)` latencies of measured cells.
        reachable_ms: `(m,)` latencies of all cells of the niche; bands hold equal shares of
            them. NaN (no latency) is left out. With fewer distinct values than bands, there
            are fewer bands.

    Returns:
        None where the spread is not surprising, or either side is empty.
    """
    known = reachable_ms[np.isfinite(reachable_ms)]
    if known.size == 0 or measured_ms.size == 0:
        return None
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, BANDS + 1)))
    bands = max(1, edges.size - 1)
    inner = edges[1:-1]
    reached = sorted(set(np.searchsorted(inner, measured_ms, side="right").tolist()))
    chance = fewer_bands_by_chance(len(reached), int(measured_ms.size), bands)
    if chance >= CHANCE or 2 * len(reached) > bands:
        return None
    low, high = float(measured_ms.min()), float(measured_ms.max())
    missed = [band for band in range(bands) if band not in reached]
    gaps = tuple((float(edges[band]), float(edges[band + 1])) for band in missed)
    reason = (
        f"{measured_ms.size} cells within {low:.3g} to {high:.3g} ms reach {len(reached)} of "
        f"{bands} latency bands; an even spread would do so with probability {chance:.1g}"
    )
    spans = ", ".join(f"{a:.3g}-{b:.3g} ms" for a, b in gaps)
    return Signature(
        kind="clustering",
        niche=niche,
        reason=reason,
        measure=f"ask for cells in the bands nobody measured: {spans}",
        gaps_ms=gaps,
    )


def fewer_bands_by_chance(reached: int, cells: int, bands: int) -> float:
    """P(at most `reached` of `bands` equally likely bands hold one of `cells`) (occupancy law).

    By inclusion and exclusion in whole numbers, so that no precision is lost:
    `comb(b, k) * sum_j (-1)^j comb(k, j) (k - j)^n / b^n` for exactly k bands.
    """
    ways: int = sum(
        comb(bands, k) * sum((-1) ** j * comb(k, j) * (k - j) ** cells for j in range(k + 1))
        for k in range(min(reached, bands) + 1)
    )
    all_ways: int = bands**cells
    return ways / all_ways


def bad_proposals(tally: Tally) -> tuple[Signature, ...]:
    """Kinds of rejection whose share is significantly above `BAD_SHARE`, worst first."""
    counts: Counter[Kind] = Counter(_KINDS[v.kind] for v in tally.rejected if v.kind in _KINDS)
    found: list[Signature] = []
    for kind, count in counts.most_common():
        if at_least_by_chance(count, tally.raw, BAD_SHARE) >= CHANCE:
            continue
        example = next(v for v in tally.rejected if _KINDS.get(v.kind) == kind)
        found.append(
            Signature(
                kind=kind,
                niche=tally.niche,
                source=tally.source,
                reason=f"{count} of {tally.raw} proposals, such as: {example.reason}",
                measure=_MEASURES[kind],
            )
        )
    return tuple(found)


def at_least_by_chance(count: int, trials: int, share: float) -> float:
    """P(at least `count` successes in `trials` of probability `share`), binomial."""
    return sum(
        comb(trials, k) * share**k * (1.0 - share) ** (trials - k)
        for k in range(count, trials + 1)
    )


def volume_by_generation(measured: Sequence[Measurement]) -> tuple[float, ...]:
    """Claimed hypervolume after every generation, in the box of all cells, reference (1.1, 1.1).

    By predicted accuracy: what the run itself can know. Generations without a measurement
    repeat the value before; empty for no measurements.
    """
    if not measured:
        return ()
    points = objectives(
        [m.predicted_accuracy_pct for m in measured], [m.latency_ms for m in measured]
    )
    scaled = bounding_box(points).normalise(points)
    when = np.array([m.generation for m in measured])
    volumes: list[float] = []
    for generation in range(int(when.max()) + 1):
        seen = scaled[when <= generation]
        volumes.append(hypervolume(seen, (1.1, 1.1)) if len(seen) else 0.0)
    return tuple(volumes)


def stagnation(volumes: Sequence[float], generations: int) -> Signature | None:
    """No growth worth the name over the last `PATIENCE` generations, with some left to run.

    Args:
        volumes: Hypervolume after every generation so far.
        generations: How many the run has in all.
    """
    left = generations - len(volumes)
    if len(volumes) <= PATIENCE or left <= 0:
        return None
    before, now = volumes[-1 - PATIENCE], volumes[-1]
    if now - before > LEAST_GAIN * before:
        return None
    growth = f"from {before:.4f} to {now:.4f}"
    return Signature(
        kind="stagnation",
        niche=RUN,
        reason=f"the hypervolume grew {growth} in {PATIENCE} generations, {left} are left",
        measure="one slot for a fresh cell from where fewest were measured",
    )


def detect(
    measured: Sequence[Measurement],
    tallies: Sequence[Tally],
    reachable_ms: Mapping[str, FloatArray],
    generations: int,
) -> tuple[Signature, ...]:
    """All signatures after a generation: niche by niche in the given order, then the run's.

    Args:
        measured: Everything the run measured so far.
        tallies: How proposals fared lately, one for every niche and source that was asked.
        reachable_ms: Latencies of the cells of each niche that was asked, by id.
        generations: How many the run has in all.
    """
    found: list[Signature] = []
    for niche, latencies in reachable_ms.items():
        own = np.array([m.latency_ms for m in measured if m.niche == niche])
        crowded = clustering(niche, own, latencies)
        found += [crowded] if crowded else []
        found += [s for tally in tallies if tally.niche == niche for s in bad_proposals(tally)]
    still = stagnation(volume_by_generation(measured), generations)
    return (*found, *([still] if still else []))
