import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.errors import RequestError
from llm_nas.tools.partition import (
    cross,
    crossings,
    make_partition,
    mutate,
    mutations,
    sample,
)
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
NAMES = ["conv3x3", "none", "random", "count:nor_conv_1x1"]
indices = st.integers(0, SPACE.size - 1)


def test_the_six_niches_have_the_published_sizes() -> None:
    partition = make_partition(SPACE)
    sizes = {n.id: len(partition.members(n.id)) for n in partition.niches}
    assert sizes == {"S0": 729, "S1": 3367, "S2": 6144, "S3": 3840, "S4": 1280, "S5": 265}


@pytest.mark.parametrize("name", NAMES)
def test_niches_are_disjoint_and_cover_the_space(name: str) -> None:
    partition = make_partition(SPACE, name, seed=3)
    together = np.concatenate([partition.members(n.id) for n in partition.niches])
    assert sorted(together.tolist()) == list(range(SPACE.size))
    for niche in partition.niches:
        first = int(partition.members(niche.id)[0])
        assert partition.niche_of(SPACE.cell(first)) == niche.id


def test_a_random_deal_keeps_sizes_and_depends_on_its_seed() -> None:
    a, b = make_partition(SPACE, "random", 1), make_partition(SPACE, "random", 2)
    assert [len(a.members(n.id)) for n in a.niches] == [729, 3367, 6144, 3840, 1280, 265]
    assert (a.labels() != b.labels()).any()
    np.testing.assert_array_equal(a.labels(), make_partition(SPACE, "random", 1).labels())


@pytest.mark.parametrize("name", ["", "S9", "count:conv", "pickle:x"])
def test_unknown_partitions_are_refused(name: str) -> None:
    with pytest.raises(RequestError):
        make_partition(SPACE, name)


def test_sampling_is_uniform_inside_the_niche() -> None:
    partition = make_partition(SPACE)
    drawn = sample(partition, "S5", np.random.default_rng(0), 53_000)
    counts = np.bincount(drawn, minlength=SPACE.size)[partition.members("S5")]
    assert counts.sum() == 53_000
    expected = 53_000 / 265
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    assert chi2 < 264 + 4 * np.sqrt(2 * 264)


@given(indices, indices, st.integers(0, 2**31))
def test_moves_stay_inside_the_niche(first: int, second: int, seed: int) -> None:
    partition = make_partition(SPACE)
    niche = partition.niche_of(SPACE.cell(first))
    rng = np.random.default_rng(seed)
    members = set(partition.members(niche).tolist())
    assert mutate(SPACE, partition, niche, first, rng) in members
    second = int(sample(partition, niche, rng)[0])
    child = cross(SPACE, partition, niche, first, second, rng)
    assert child in members


@given(indices, indices)
def test_children_take_every_edge_from_a_parent(first: int, second: int) -> None:
    partition = make_partition(SPACE, "none")
    children = crossings(SPACE, partition, "all", first, second)
    a, b = SPACE.cell(first), SPACE.cell(second)
    differing = sum(x != y for x, y in zip(a, b, strict=True))
    assert len(set(children.tolist())) == max(0, 2**differing - 2)
    for child in children[:8]:
        edges = zip(SPACE.cell(int(child)), a, b, strict=True)
        assert all(op in (x, y) for op, x, y in edges)


@given(indices)
def test_mutations_without_partition_are_the_neighbours(index: int) -> None:
    partition = make_partition(SPACE, "none")
    near = {SPACE.index(c) for c in SPACE.neighbours(SPACE.cell(index))}
    assert set(mutations(SPACE, partition, "all", index).tolist()) == near
