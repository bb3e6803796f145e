"""Fresh cells: where they were asked for, never measured before, never without a latency."""

import numpy as np

from llm_nas.domain import Measurement
from llm_nas.tools.moves import NicheMoves
from llm_nas.tools.partition import make_partition
from llm_nas.tools.scout import Scout
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
PARTITION = make_partition(SPACE)
WEIGHTS = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5])
LATENCY_MS = np.asarray(1.0 + SPACE.codes() @ WEIGHTS, dtype=np.float64)
LATENCY_MS[::3] = np.nan
SCOUT = Scout(SPACE, PARTITION, LATENCY_MS)


def measured(niche: str, indices: list[int]) -> list[Measurement]:
    return [
        Measurement(
            arch=SPACE.format(SPACE.cell(i)),
            niche=niche,
            generation=0,
            predicted_accuracy_pct=80.0,
            latency_ms=float(LATENCY_MS[i]),
        )
        for i in indices
    ]


def test_draws_stay_in_niche_and_range_and_are_new() -> None:
    rng, seen = np.random.default_rng(0), list[int]()
    for _ in range(60):
        arch = SCOUT.within("S5", [(8.0, 10.0)], measured("S5", seen), rng)
        if not arch:
            break
        cell = SPACE.parse(arch)
        assert PARTITION.niche_of(cell) == "S5"
        assert 8.0 <= SCOUT.latency_ms(arch) <= 10.0
        assert SPACE.index(cell) not in seen
        seen.append(SPACE.index(cell))
    assert len(seen) > 5
    assert SCOUT.within("S5", [(0.0, 0.1)], [], rng) == ""


def test_the_thinnest_band_is_one_nobody_looked_at() -> None:
    members = [
        int(i)
        for niche in ("S0", "S1", "S2", "S3", "S4")
        for i in PARTITION.members(niche)
        if np.isfinite(LATENCY_MS[i])
    ]
    found = SCOUT.thinnest(measured("S0", members))
    assert found is not None
    niche, (low, high) = found
    assert niche == "S5"
    assert low < high


def test_nothing_is_thin_when_everything_was_measured() -> None:
    everything = [int(i) for i in np.flatnonzero(np.isfinite(LATENCY_MS))]
    assert SCOUT.thinnest(measured("S0", everything)) is None


def test_operators_propose_only_what_can_be_measured() -> None:
    moves = NicheMoves(SPACE, PARTITION, LATENCY_MS)
    rng = np.random.default_rng(1)
    first, second = moves.sample("S2", rng), moves.sample("S2", rng)
    children = {*moves.mutations("S2", first), *moves.crossings("S2", first, second), first}
    assert len(children) > 3
    assert all(np.isfinite(SCOUT.latency_ms(arch)) for arch in children)
