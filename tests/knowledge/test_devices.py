"""Likeness of devices on probe cells, and what it does to retrieval."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from llm_nas.claims import Claim
from llm_nas.domain import FloatArray
from llm_nas.knowledge.devices import LEAST_PROBES, PROBES, likeness, rank_correlation
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=40))
@settings(max_examples=50, deadline=None)
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert rank_correlation(first, second) == 0
    else:
        assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second)[0])


def test_likeness_looks_at_probe_cells_and_skips_missing_ones() -> None:
    rng = np.random.default_rng(0)
    known: FloatArray = rng.random(1_000)
    same, opposite = known**3 + 1, 1 / known
    found = likeness(same, {"twin": known, "opposite": opposite})
    assert found["twin"].value == pytest.approx(1.0)
    assert found["twin"].cells == PROBES
    assert found["opposite"].value == 0
    partial = np.full(1_000, np.nan)
    partial[:40] = same[:40]
    assert likeness(partial, {"twin": known})["twin"].cells == 40
    partial[LEAST_PROBES - 1 :] = np.nan
    assert likeness(partial, {"twin": known}) == {}


def test_a_claim_of_a_like_device_is_offered_with_the_reason(
    store: HeuristicStore, claim: Callable[..., Claim], lesson: Callable[..., Lesson]
) -> None:
    store.learn(lesson(claim(devices=("edgegpu",)), cells=80))
    values: FloatArray = np.random.default_rng(0).random(1_000)
    alike = likeness(values, {"edgegpu": values + 0.2 * values**2})
    (offered,) = store.retrieve(device="toaster", similarity=alike)
    assert "edgegpu is 1.00 like toaster on 64 probe cells" in offered.why
    answer = store.ask("slower cells", device="toaster", similarity=alike)
    assert answer.findings[0].heuristic.id == claim(devices=("edgegpu",)).key
    assert store.retrieve(device="toaster") == ()
