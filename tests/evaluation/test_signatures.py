"""Failure signatures: exact laws first, then what a search would show."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import Measurement, Proposal, Verdict
from llm_nas.evaluation.signatures import (
    BANDS,
    RUN,
    Tally,
    at_least_by_chance,
    bad_proposals,
    clustering,
    detect,
    fewer_bands_by_chance,
    stagnation,
    volume_by_generation,
)

NICHE = "S2"
REACHABLE_MS = np.linspace(1.0, 11.0, 1001)


def cell(generation: int, accuracy_pct: float, latency_ms: float) -> Measurement:
    return Measurement(
        arch=f"{generation}:{accuracy_pct}:{latency_ms}",
        niche=NICHE,
        generation=generation,
        predicted_accuracy_pct=accuracy_pct,
        latency_ms=latency_ms,
    )


def rejected(kind: str, count: int) -> tuple[Verdict, ...]:
    proposal = Proposal(arch="x", operator="model", source="model")
    verdict = {"proposal": proposal, "decision": "rejected", "kind": kind, "reason": f"is {kind}"}
    return tuple(Verdict.model_validate(verdict) for _ in range(count))


@pytest.mark.parametrize(("cells", "bands"), [(1, 3), (3, 3), (4, 2), (5, 4)])
def test_occupancy_against_counting(cells: int, bands: int) -> None:
    ways = Counter(len(set(deal)) for deal in product(range(bands), repeat=cells))
    for reached in range(bands + 1):
        below = sum(n for k, n in ways.items() if k <= reached)
        assert fewer_bands_by_chance(reached, cells, bands) == pytest.approx(below / bands**cells)


@given(st.integers(1, 600), st.integers(1, BANDS))
def test_occupancy_is_a_distribution(cells: int, bands: int) -> None:
    chances = [fewer_bands_by_chance(k, cells, bands) for k in range(bands + 1)]
    assert chances[0] == 0.0
    assert chances[-1] == 1.0
    assert chances == sorted(chances)


def test_binomial_against_counting() -> None:
    assert at_least_by_chance(0, 5, 0.25) == pytest.approx(1.0)
    assert at_least_by_chance(2, 2, 0.25) == pytest.approx(0.0625)
    assert at_least_by_chance(1, 3, 0.5) == pytest.approx(0.875)


def test_cells_at_one_latency_are_a_cluster_and_the_gaps_are_named() -> None:
    found = clustering(NICHE, np.full(12, 5.0), REACHABLE_MS)
    assert found is not None
    assert (found.kind, found.niche) == ("clustering", NICHE)
    assert "12 cells within 5 to 5 ms reach 1 of 10" in found.reason
    assert len(found.gaps_ms) == BANDS - 1
    assert found.gaps_ms[0] == pytest.approx((1.0, 2.0))
    assert "1-2 ms" in found.measure


def test_an_even_spread_is_no_cluster() -> None:
    rng = np.random.default_rng(0)
    alarms = sum(
        clustering(NICHE, rng.choice(REACHABLE_MS, size=12), REACHABLE_MS) is not None
        for _ in range(400)
    )
    assert alarms <= 10


@pytest.mark.parametrize(
    ("measured", "reachable"),
    [
        (np.array([]), REACHABLE_MS),
        (np.full(9, 5.0), np.array([np.nan])),
        (np.full(9, 5.0), np.full(50, 5.0)),
        (np.full(3, 5.0), REACHABLE_MS),
        (np.tile(np.linspace(1.5, 6.5, 6), 9), REACHABLE_MS),
    ],
    ids=["nothing measured", "no latency", "one latency only", "too few to tell", "over half"],
)
def test_no_cluster_without_evidence(
    measured: np.ndarray[tuple[int], np.dtype[np.float64]],
    reachable: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    assert clustering(NICHE, measured, reachable) is None


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("illegal", "invalid"),
        ("no_latency", "invalid"),
        ("out_of_niche", "out_of_niche"),
        ("duplicate", "repetition"),
        ("evaluated", "repetition"),
    ],
)
def test_bad_proposals_are_named_with_an_example(kind: str, sign: str) -> None:
    (found,) = bad_proposals(Tally(niche=NICHE, raw=20, rejected=rejected(kind, 14)))
    assert found.kind == sign
    assert found.reason == f"14 of 20 proposals, such as: is {kind}"
    assert found.measure


def test_few_bad_proposals_are_no_signature() -> None:
    assert bad_proposals(Tally(niche=NICHE, raw=20, rejected=rejected("illegal", 6))) == ()
    assert bad_proposals(Tally(niche=NICHE, raw=2, rejected=rejected("illegal", 2))) == ()
    assert bad_proposals(Tally(niche=NICHE, raw=0)) == ()


def test_the_worst_kind_comes_first() -> None:
    both = (*rejected("illegal", 18), *rejected("out_of_niche", 22))
    found = bad_proposals(Tally(niche=NICHE, raw=40, rejected=both))
    assert [s.kind for s in found] == ["out_of_niche", "invalid"]


def test_volumes_grow_and_idle_generations_repeat() -> None:
    volumes = volume_by_generation([cell(0, 80.0, 2.0), cell(2, 90.0, 1.0)])
    assert volumes[0] == volumes[1] < volumes[2] == pytest.approx(1.21)
    assert volumes[0] == pytest.approx(0.01)
    assert volume_by_generation([]) == ()


@pytest.mark.parametrize(
    ("volumes", "generations", "stagnant"),
    [
        ([0.5, 0.5, 0.5, 0.5], 10, True),
        ([0.5, 0.5, 0.5], 10, False),
        ([0.5, 0.5, 0.5, 0.5], 4, False),
        ([0.5, 0.5, 0.5, 0.51], 10, False),
        ([0.1, 0.5, 0.5001, 0.5002, 0.5003], 6, True),
        ([], 10, False),
    ],
)
def test_stagnation(volumes: list[float], generations: int, stagnant: bool) -> None:
    assert (stagnation(volumes, generations) is not None) == stagnant


def test_detect_goes_niche_by_niche_and_ends_with_the_run() -> None:
    measured = [cell(g, 80.0, 5.0) for g in range(4) for _ in range(3)]
    tally = Tally(niche=NICHE, raw=20, rejected=rejected("illegal", 15))
    found = detect(measured, [tally], {NICHE: REACHABLE_MS}, 10)
    assert [(s.kind, s.niche) for s in found] == [
        ("clustering", NICHE),
        ("invalid", NICHE),
        ("stagnation", RUN),
    ]


def test_a_search_that_goes_well_shows_nothing() -> None:
    measured = [cell(g, 80.0 + g + i, 1.0 + 0.9 * (4 * g + i)) for g in range(3) for i in range(4)]
    assert detect(measured, [Tally(niche=NICHE, raw=12)], {NICHE: REACHABLE_MS}, 10) == ()
