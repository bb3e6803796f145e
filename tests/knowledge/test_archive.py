from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import Measurement
from llm_nas.knowledge.archive import ParetoArchive, dominates


def cell(accuracy: float, latency: float, name: str = "") -> Measurement:
    return Measurement(
        arch=name or f"{accuracy}/{latency}",
        niche="S0",
        generation=0,
        predicted_accuracy_pct=accuracy,
        latency_ms=latency,
    )


grid = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), max_size=25)


@given(grid)
def test_the_archive_is_the_non_dominated_set(points: list[tuple[int, int]]) -> None:
    cells = [cell(a, lat, f"{i}") for i, (a, lat) in enumerate(points)]
    kept = ParetoArchive().add(cells).archive.cells
    slow = [c for c in cells if not any(dominates(o, c) for o in cells)]
    values = {(c.predicted_accuracy_pct, c.latency_ms) for c in slow}
    assert {(c.predicted_accuracy_pct, c.latency_ms) for c in kept} == values
    assert len(kept) == len(values)
    assert [c.latency_ms for c in kept] == sorted(c.latency_ms for c in kept)


@given(grid, grid)
def test_adding_in_two_steps_or_one_is_the_same(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    a = [cell(x, y, f"a{x}-{y}") for x, y in dict.fromkeys(first)]
    b = [cell(x, y, f"b{x}-{y}") for x, y in dict.fromkeys(second)]
    twice = ParetoArchive().add(a).archive.add(b)
    once = ParetoArchive().add([*a, *b]).archive

    def values(archive: ParetoArchive) -> list[tuple[float, float]]:
        return [(c.predicted_accuracy_pct, c.latency_ms) for c in archive.cells]

    assert values(twice.archive) == values(once)
    before = set(ParetoArchive().add(a).archive.cells)
    assert set(twice.added) == set(twice.archive.cells) - before
    assert set(twice.removed) == before - set(twice.archive.cells)


def test_gaps_are_the_widest_empty_ranges() -> None:
    archive = ParetoArchive().add([cell(10, 2.0), cell(20, 3.0), cell(30, 7.0)]).archive
    assert archive.gaps_ms(1.0, 8.0, most=2) == ((3.0, 7.0), (1.0, 2.0))
    assert ParetoArchive().gaps_ms(1.0, 8.0) == ((1.0, 8.0),)
