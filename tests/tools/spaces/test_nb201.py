"""NAS-Bench-201 against the benchmark's own tables and a walk along the paths by name."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces.nb201 import EDGES, SIZE, NasBench201, arch_at, index_of

SPACE = NasBench201()
PATHS = (("1>4",), ("1>2", "2>4"), ("1>3", "3>4"), ("1>2", "2>3", "3>4"))
BEST = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)
SHAPES = (
    TaskShape(),
    TaskShape(classes=100),
    TaskShape(height=16, width=16, classes=120),
)
rows = st.integers(0, SIZE - 1)


def test_known_cells_of_the_benchmark() -> None:
    assert index_of(BEST) == 6111
    assert arch_at(6111) == BEST
    assert len({SPACE.twin(arch) for arch in SPACE}) == 9_445


@given(rows)
def test_rows_and_texts_are_one_to_one(row: int) -> None:
    assert index_of(arch_at(row)) == row
    assert SPACE.arch(SPACE.values(arch_at(row))) == arch_at(row)


@given(rows)
def test_twins_and_path_numbers_match_a_walk_along_the_paths(row: int) -> None:
    held = {edge: str(op) for edge, op in SPACE.values(arch_at(row)).items()}
    alive = [path for path in PATHS if all(held[edge] != "none" for edge in path)]
    live = {edge for path in alive for edge in path}
    twin = {edge: op if edge in live else "none" for edge, op in held.items()}
    assert SPACE.twin(arch_at(row)) == SPACE.arch(twin)
    known = SPACE.facts(arch_at(row)).quantities
    assert known["dead_edges"] == 6 - len(live)
    assert known["live_paths"] == len(alive)
    depths = [sum("conv" in held[edge] for edge in path) for path in alive]
    assert known["depth"] == max(depths, default=0)
    assert known["on_path:skip_connect"] == any(held[edge] == "skip_connect" for edge in live)


def test_niches_have_the_published_sizes() -> None:
    partition = open_partition(None, SPACE)
    assert partition.name == "conv3x3"
    counted = Counter(partition.niche_of(arch) for arch in SPACE)
    sizes = [counted[niche.id] for niche in partition.niches]
    assert sizes == [729, 3367, 6144, 3840, 1280, 265]


def test_sizes_and_order_are_the_published_ones(tables: object) -> None:
    table = np.load(f"{tables}/nb201_accuracy.npz")
    archs = list(SPACE)
    assert archs == table["arch_str"].tolist()
    assert [index_of(SPACE.twin(a)) for a in archs] == table["canonical_index"].tolist()
    for dataset, shape in enumerate(SHAPES):
        known = NasBench201(shape).quantities(archs)
        np.testing.assert_allclose(known["params_m"], table["params_M"][:, dataset], atol=1e-12)
        np.testing.assert_allclose(known["macs_m"], table["flops_M"][:, dataset], atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_are_those_of_the_built_network(shape: TaskShape) -> None:
    space = NasBench201(shape)
    network = space.build(BEST, shape)
    held = sum(weights.numel() for weights in network.parameters())
    assert space.quantities([BEST])["params_m"][0] == pytest.approx(held / 1e6, abs=1e-9)


def test_equal_networks_look_equal() -> None:
    dead = "|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|"
    bare = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    np.testing.assert_array_equal(SPACE.features([dead]), SPACE.features([bare]))
    assert SPACE.features([dead]).shape == (1, 62)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("|none~0|", "expected 3 nodes"),
        (BEST.replace("~2|", "~1|"), "is not '<op>~2'"),
        (BEST.replace("skip_connect", "max_pool"), "with op in skip_connect, none"),
        (BEST.replace("|nor_conv_1x1~2|", ""), "needs 3 edges"),
        ("+" * 300, "too long"),
    ],
)
def test_misspelled_cells_are_refused(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        SPACE.parse(text)


def test_rows_outside_the_benchmark_are_refused() -> None:
    with pytest.raises(RequestError, match=r"0\.\.15624"):
        arch_at(SIZE)
    assert len(EDGES) == 6
