"""Figures of a run, from closed forms and from what must not move them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from llm_nas.domain import ACCURACY, PERPLEXITY, Arch, Failure, FloatArray, Measurement, Metric
from llm_nas.errors import RequestError
from llm_nas.evaluation.score import curve, hv_at, score


@dataclass
class Front:
    latency_ms: FloatArray
    error: FloatArray


@dataclass
class Known:
    """Truth of named networks: (error, latency)."""

    points: dict[Arch, tuple[float, float]]
    metric: Metric = ACCURACY
    chance_error: float | None = 90.0
    reference: Front = field(
        default_factory=lambda: Front(np.array([1.0, 2.0]), np.array([20.0, 10.0]))
    )

    def errors(self, archs: Sequence[Arch]) -> FloatArray:
        return np.array([self.points[a][0] for a in archs])

    def latencies_ms(self, archs: Sequence[Arch]) -> FloatArray:
        return np.array([self.points[a][1] for a in archs])


TRUTH = Known({"fast": (20.0, 1.0), "good": (10.0, 2.0), "mid": (15.0, 1.5), "dud": (89.0, 0.1)})
ENDS = 1.1**2 - 1.0
"""The reference front's volume: both corners of the unit box up to (1.1, 1.1)."""


def row(arch: str, error: float, latency: float, trainings: float = 1.0) -> Measurement:
    return Measurement(
        arch=arch,
        niche="all",
        generation=0,
        value=100.0 - error,
        latency_ms=latency,
        latency_low_ms=latency,
        latency_high_ms=latency,
        trainings=trainings,
    )


FAST, GOOD, MID = row("fast", 20.0, 1.0), row("good", 10.0, 2.0), row("mid", 15.0, 1.5)


def test_the_reference_front_has_one_and_points_between_add_their_area() -> None:
    assert score([FAST, GOOD], TRUTH).hv == pytest.approx(1.0)
    assert score([FAST], TRUTH).hv == pytest.approx(1.1 * 0.1 / ENDS)
    assert score([FAST, GOOD, MID], TRUTH).hv == pytest.approx((ENDS + 0.25) / ENDS)


def test_the_front_is_chosen_by_what_was_measured_and_scored_by_truth() -> None:
    """A lucky label puts `mid` before `good`; the claim is scored as it is."""
    lucky = row("mid", 8.0, 1.5)
    scores = score([FAST, GOOD, lucky], TRUTH)
    assert scores.front == ("fast", "mid")
    assert scores.hv == pytest.approx((1.1 * 0.1 + 0.6 * 0.5) / ENDS)
    assert scores.optimism == pytest.approx((0.0 + 7.0) / 2)


def test_networks_at_chance_add_nothing_however_fast() -> None:
    """Guessing is 10 %, 1.5 x that is an error of 85 %."""
    assert score([row("dud", 89.0, 0.1), GOOD], TRUTH).hv == score([GOOD], TRUTH).hv
    assert score([row("dud", 89.0, 0.1)], TRUTH).hv == 0.0
    assert score([row("dud", 89.0, 0.1)], TRUTH).igd_plus is None


def test_curves_count_trainings_failures_and_fractions() -> None:
    lost = Failure(arch="x", stage="train", reason="diverged", trainings=1.0)
    rows: list[Measurement | Failure] = [
        lost,
        row("fast", 20.0, 1.0, 0.5),
        row("mid", 15.0, 1.5, 0.5),
        GOOD,
    ]
    assert [n for n, _ in curve(rows, TRUTH)] == [1.5, 2.0, 3.0]
    filler = [FAST] * 11
    early = hv_at([FAST, *filler], TRUTH)
    assert list(early) == ["12"]
    late = hv_at([FAST, *filler, GOOD], TRUTH)
    assert late == early
    assert score([FAST, *filler, GOOD], TRUTH).trainings_to["0.90"] == 1 + 11 + 1


def test_reused_trainings_cost_nothing_and_are_told_as_zero() -> None:
    cold = hv_at([MID] * 12, TRUTH)
    warm = hv_at([MID] * 12, TRUTH, reused=[FAST, GOOD])
    assert "0" not in cold
    assert warm["0"] == pytest.approx(1.0)
    assert score([MID], TRUTH, reused=[FAST, GOOD]).trainings_to["0.95"] == 0.0


def test_coverage_counts_niches_and_tenths_of_the_reference() -> None:
    scores = score([FAST, GOOD], TRUTH, niches=4)
    assert scores.coverage.niches == pytest.approx(0.25)
    assert scores.coverage.latency_deciles == 1.0
    assert score([FAST], TRUTH).coverage.latency_deciles == 0.5


def test_perplexity_is_scored_on_its_logarithm() -> None:
    """One place turns a metric around; here it is the metric's own."""
    truth = Known(
        {"small": (3.2, 1.0), "large": (3.0, 2.0)},
        metric=PERPLEXITY,
        chance_error=None,
        reference=Front(np.array([1.0, 2.0]), np.array([3.2, 3.0])),
    )
    rows = [
        row("small", 0.0, 1.0).model_copy(update={"value": float(np.exp(3.2))}),
        row("large", 0.0, 2.0).model_copy(update={"value": float(np.exp(3.0))}),
    ]
    scores = score(rows, truth)
    assert scores.front == ("small", "large")
    assert scores.hv == pytest.approx(1.0)
    assert scores.optimism == pytest.approx(0.0)


def test_networks_unknown_to_truth_or_without_a_latency_do_not_count() -> None:
    truth = Known(TRUTH.points | {"odd": (float("nan"), 1.0)})
    assert score([row("odd", 1.0, 3.0), FAST], truth).hv == score([FAST], truth).hv


def test_nothing_trained_is_refused() -> None:
    with pytest.raises(RequestError, match="no network"):
        score([], TRUTH)
