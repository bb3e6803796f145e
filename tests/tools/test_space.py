import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import Cell
from llm_nas.errors import RequestError
from llm_nas.tools.space import EDGES, NONE, OPERATIONS, nas_bench_201

SPACE = nas_bench_201()
cells = st.tuples(*[st.integers(0, 4)] * 6)
PATHS = [["1>4"], ["1>2", "2>4"], ["1>3", "3>4"], ["1>2", "2>3", "3>4"]]


def canonical_slowly(cell: Cell) -> Cell:
    """Walk the four paths by name."""
    op: dict[str, int] = dict(zip(EDGES, cell, strict=True))
    alive = [p for p in PATHS if all(op[e] != NONE for e in p)]
    return tuple(op[e] if any(e in p for p in alive) else NONE for e in EDGES)


def test_known_cells_of_the_benchmark() -> None:
    first = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    best = first + "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    assert SPACE.index(SPACE.parse(best)) == 6111
    assert SPACE.format(SPACE.cell(6111)) == best
    assert SPACE.size == 15_625
    assert len(set(SPACE.canonical_index().tolist())) == 9_445


def test_agrees_with_the_published_order(tables: object) -> None:
    table = np.load(f"{tables}/nb201_accuracy.npz")
    np.testing.assert_array_equal(SPACE.codes(), table["ops"])
    np.testing.assert_array_equal(SPACE.canonical_index(), table["canonical_index"])
    assert [SPACE.format(SPACE.cell(i)) for i in range(0, 15_625, 97)] == table["arch_str"][
        ::97
    ].tolist()


@given(cells)
def test_string_index_and_codes_are_one_to_one(cell: Cell) -> None:
    assert SPACE.parse(SPACE.format(cell)) == cell
    assert SPACE.cell(SPACE.index(cell)) == cell


@given(cells)
def test_canonical_form_matches_a_walk_along_the_paths(cell: Cell) -> None:
    canonical = SPACE.canonical(cell)
    assert canonical == canonical_slowly(cell)
    assert SPACE.canonical(canonical) == canonical


@given(cells)
def test_neighbours_differ_on_one_edge(cell: Cell) -> None:
    near = SPACE.neighbours(cell)
    assert len(set(near)) == 24
    assert all(sum(a != b for a, b in zip(cell, n, strict=True)) == 1 for n in near)


@given(cells)
def test_facts_agree_with_the_canonical_form(cell: Cell) -> None:
    facts = SPACE.facts(cell)
    live = {OPERATIONS[op] for op in SPACE.canonical(cell)} - {"none"}
    assert set(facts.ops_on_paths) == live
    assert facts.op_at == {e: OPERATIONS[op] for e, op in zip(EDGES, cell, strict=True)}
    alive = [p for p in PATHS if all(facts.op_at[e] != "none" for e in p)]
    assert facts.dead_edges == 6 - len({e for p in alive for e in p})


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "|none~0|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~3|",
        "|none~0|+|none~1|none~0|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|x",
        "|" + "a" * 10_000,
    ],
)
def test_illegal_strings_are_refused(bad: str) -> None:
    with pytest.raises(RequestError):
        SPACE.parse(bad)


@given(st.text(max_size=80))
def test_parse_never_fails_in_another_way(text: str) -> None:
    try:
        SPACE.parse(text)
    except RequestError:
        pass


@pytest.mark.parametrize("bad", [(0,), (0, 0, 0, 0, 0, 5), (0, 0, 0, 0, 0, -1)])
def test_impossible_cells_are_refused(bad: Cell) -> None:
    with pytest.raises(RequestError):
        SPACE.index(bad)
    with pytest.raises(RequestError):
        SPACE.cell(15_625)
