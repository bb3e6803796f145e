"""Figures beside baselines: closed forms."""

import pytest

from llm_nas.domain import TaskShape
from llm_nas.evaluation.baselines import beside, gain, hypervolume, non_dominated, speedup
from llm_nas.evaluation.exported import with_interval
from llm_nas.tools.tasks.baselines import USUAL, family_file, members

BASE = [(1.0, 40.0), (2.0, 20.0), (3.0, 30.0)]


def test_hypervolume_is_the_area_of_steps() -> None:
    assert hypervolume([(1, 3), (2, 1)], (3, 4)) == (3 - 1) * (4 - 3) + (3 - 2) * (3 - 1)
    assert hypervolume([(1, 3), (1.5, 3), (2, 5)], (3, 4)) == 2
    assert hypervolume([], (3, 4)) == 0
    assert non_dominated(BASE) == [(1.0, 40.0), (2.0, 20.0)]


def test_the_baselines_beside_themselves_are_one() -> None:
    same = beside(BASE, BASE)
    assert (same.hv, same.hv_baselines) == (1.0, 1.0)
    assert (same.speedup_at_equal_accuracy, same.gain_at_equal_latency_pct) == (1.0, 0.0)
    # Reference (3.3, 44): steps (3.3 - 1) x (44 - 40) + (3.3 - 2) x (40 - 20).
    twice = beside([(0.5, 40.0), (1.0, 20.0)], BASE)
    assert twice.hv == pytest.approx((2.8 * 4 + 2.3 * 20) / (2.3 * 4 + 1.3 * 20))
    assert twice.speedup_at_equal_accuracy == 2.0
    assert twice.gain_at_equal_latency_pct == 10.0


def test_what_is_not_reached_counts_against_the_front() -> None:
    assert speedup([(0.1, 35.0)], BASE) == pytest.approx((10.0 + 0.0) / 2)
    assert gain([(1.5, 10.0)], BASE) == pytest.approx(((40 - 100) + (20 - 10)) / 2)
    nothing = beside(BASE, [])
    assert nothing.hv is None
    assert nothing.speedup_at_equal_accuracy is None


def test_wilsons_interval() -> None:
    half = with_interval(50.0, 100)
    assert (half.low_pct, half.high_pct) == pytest.approx((40.383, 59.617), abs=1e-3)
    assert with_interval(100.0, 10).low_pct == pytest.approx(72.25, abs=0.01)
    assert with_interval(0.0, 10).low_pct == 0.0


@pytest.mark.parametrize("side", [8, 32, 128])
def test_a_dozen_known_networks_of_three_families(side: int) -> None:
    dozen = members(USUAL, TaskShape(height=side, width=side))
    assert len({member.arch + member.family for member in dozen}) == 12
    assert len(members(100, TaskShape())) == 12
    assert [member.family for member in members(3, TaskShape())] == [
        "mobilenetv2",
        "mobilenetv3",
        "resnet",
    ]
    assert all(family_file(member.family).is_file() for member in dozen)
