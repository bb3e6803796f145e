"""Help to choose, on fronts whose answers are known."""

import pytest

from llm_nas.domain import FrontPoint
from llm_nas.errors import RequestError
from llm_nas.evaluation.choose import best_within, claimed, knee, steps


def point(latency_ms: float, predicted_pct: float, name: str = "") -> FrontPoint:
    return FrontPoint(
        arch=name or f"{latency_ms}",
        niche="S0",
        predicted_accuracy_pct=predicted_pct,
        test_accuracy_pct=predicted_pct - 1.0,
        latency_ms=latency_ms,
    )


FRONT = [point(3.0, 92.0), point(1.0, 80.0), point(2.0, 91.0), point(5.0, 93.0)]


def test_the_knee_is_where_the_front_bends() -> None:
    assert knee(FRONT).arch == "2.0"
    assert knee(FRONT[:1]).arch == "3.0"
    assert knee([point(1.0, 80.0), point(2.0, 90.0)]).arch == "1.0"
    assert knee([point(1.0, 80.0), point(2.0, 85.0), point(3.0, 90.0)]).arch == "1.0"


@pytest.mark.parametrize(
    ("limit_ms", "arch"), [(0.5, None), (1.0, "1.0"), (2.9, "2.0"), (99.0, "5.0")]
)
def test_best_within_a_limit(limit_ms: float, arch: str | None) -> None:
    found = best_within(FRONT, limit_ms)
    assert (found.arch if found else None) == arch


def test_what_the_next_millisecond_buys() -> None:
    taken = steps(FRONT)
    assert [(s.arch, s.slower) for s in taken] == [
        ("1.0", "2.0"),
        ("2.0", "3.0"),
        ("3.0", "5.0"),
    ]
    assert [s.pct_per_ms for s in taken] == pytest.approx([11.0, 1.0, 0.5])


def test_beaten_cells_and_ties_are_not_offered() -> None:
    front = [*FRONT, point(4.0, 91.5, "beaten"), point(2.0, 91.0, "tie")]
    assert [c.arch for c in claimed(front)] == ["1.0", "2.0", "3.0", "5.0"]


def test_an_empty_front_is_refused() -> None:
    with pytest.raises(RequestError, match="front is empty"):
        knee([])
