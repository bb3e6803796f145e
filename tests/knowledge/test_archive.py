from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import PERPLEXITY, Measurement, Metric
from llm_nas.knowledge.archive import Corner, ParetoArchive, dominates


def network(value: float, latency: float, name: str = "") -> Measurement:
    return Measurement(
        arch=name or f"{value}/{latency}",
        niche="S0",
        generation=0,
        value=value,
        latency_ms=latency,
        latency_low_ms=latency,
        latency_high_ms=latency,
    )


points = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), max_size=25)
metrics = st.sampled_from(
    [Metric(name="accuracy_pct", unit="%", higher_is_better=True), PERPLEXITY]
)


@given(points, metrics)
def test_the_archive_is_the_non_dominated_set(told: list[tuple[int, int]], metric: Metric) -> None:
    rows = [network(a, ms, f"{i}") for i, (a, ms) in enumerate(told)]
    kept = ParetoArchive(metric).add(rows).archive.members
    slow = [r for r in rows if not any(dominates(o, r, metric) for o in rows)]
    assert {(r.value, r.latency_ms) for r in kept} == {(r.value, r.latency_ms) for r in slow}
    assert [r.latency_ms for r in kept] == sorted({r.latency_ms for r in kept})


@given(points, points)
def test_adding_in_two_steps_or_one_is_the_same(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    a = [network(x, y, f"a{x}-{y}") for x, y in dict.fromkeys(first)]
    b = [network(x, y, f"b{x}-{y}") for x, y in dict.fromkeys(second)]
    before = ParetoArchive().add(a).archive
    twice, once = before.add(b), ParetoArchive().add([*a, *b]).archive
    assert [(m.value, m.latency_ms) for m in twice.archive.members] == [
        (m.value, m.latency_ms) for m in once.members
    ]
    assert set(twice.added) == set(twice.archive.members) - set(before.members)
    assert set(twice.removed) == set(before.members) - set(twice.archive.members)


@given(points)
def test_gains_add_up_to_the_hypervolume_and_agree_with_counting(
    told: list[tuple[int, int]],
) -> None:
    rows, corner = [network(a, ms, f"{i}") for i, (a, ms) in enumerate(told)], Corner(9, 99)
    gains = ParetoArchive().gains(rows, corner)
    archive = ParetoArchive().add(rows).archive
    # Errors are 100 - a: unit squares of the grid that some network dominates.
    squares = sum(
        any(m.latency_ms <= x and 100 - m.value <= y for m in rows)
        for x in range(1, 9)
        for y in range(92, 99)
    )
    assert sum(gains) == archive.hypervolume(corner) == squares


def test_gaps_are_the_widest_empty_ranges() -> None:
    archive = ParetoArchive().add([network(10, 2.0), network(20, 3.0), network(30, 7.0)]).archive
    assert archive.gaps_ms(1.0, 8.0, most=2) == ((3.0, 7.0), (1.0, 2.0))
    assert ParetoArchive().gaps_ms(1.0, 8.0) == ((1.0, 8.0),)
