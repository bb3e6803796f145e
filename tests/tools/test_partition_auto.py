"""Learned partitions: known cost models first, then the embedded devices."""

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.ports import Partition
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.features import connected
from llm_nas.tools.partition import make_partition
from llm_nas.tools.partition_auto import (
    auto_partition,
    explain,
    open_partition,
    quantile_partition,
)
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
CONV3 = SPACE.operations.index("nor_conv_3x3")
POOL = SPACE.operations.index("avg_pool_3x3")


@pytest.fixture(scope="module")
def benchmark() -> PackBenchmark:
    return PackBenchmark()


def count(*operations: int) -> FloatArray:
    return np.asarray(np.isin(SPACE.codes(), operations).sum(axis=1), dtype=np.float64)


def explained(partition: Partition, latency_ms: FloatArray) -> float:
    """Share of the variance of log latency that the niches explain, over cells that compute."""
    known = np.isfinite(latency_ms) & connected(SPACE)
    values, labels = np.log(latency_ms[known]), partition.labels()[known]
    within = sum(float(np.sum((v - v.mean()) ** 2)) for v in groups(values, labels))
    return 1.0 - within / float(np.sum((values - values.mean()) ** 2))


def groups(values: FloatArray, labels: np.ndarray) -> list[FloatArray]:
    return [values[labels == label] for label in np.unique(labels)]


def assert_covers(partition: Partition) -> None:
    members = [partition.members(niche.id) for niche in partition.niches]
    assert np.array_equal(np.sort(np.concatenate(members)), np.arange(len(SPACE.codes())))
    for position, niche in enumerate(partition.niches):
        index = int(members[position][0])
        assert partition.niche_of(SPACE.cell(index)) == niche.id
        assert partition.labels()[index] == position


def test_a_device_that_counts_one_operation_is_cut_along_it() -> None:
    partition = auto_partition(SPACE, np.exp(count(CONV3)), 4)
    assert_covers(partition)
    assert [niche.rule for niche in partition.niches] == [
        "no nor_conv_3x3",
        "exactly 1 nor_conv_3x3",
        "exactly 2 nor_conv_3x3",
        "at least 3 nor_conv_3x3",
    ]


def test_operations_that_cost_the_same_are_counted_together() -> None:
    """The case in which the count of 3x3 convolutions fails: pooling is as slow."""
    latency = np.exp(0.4 * count(CONV3, POOL))
    partition = auto_partition(SPACE, latency)
    assert all("nor_conv_3x3 or avg_pool_3x3" in niche.rule for niche in partition.niches)
    hand_made = explained(make_partition(SPACE), latency)
    assert explained(partition, latency) > 0.97 > 0.5 > hand_made


def test_niches_are_ordered_from_fast_to_slow(benchmark: PackBenchmark) -> None:
    latency = benchmark.latency_ms("cifar10", "eyeriss")
    usable = np.isfinite(latency) & connected(SPACE)
    labels = auto_partition(SPACE, latency).labels()
    medians = [float(np.median(v)) for v in groups(latency[usable], labels[usable])]
    assert medians == sorted(medians)


@pytest.mark.parametrize("device", ["edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga"])
def test_on_every_device_it_separates_latency_better(
    benchmark: PackBenchmark, device: str
) -> None:
    latency = benchmark.latency_ms("cifar10", device)
    partition = auto_partition(SPACE, latency)
    assert_covers(partition)
    assert len(partition.niches) == 6
    assert explained(partition, latency) > explained(make_partition(SPACE), latency)


def test_every_niche_explains_itself_in_one_line(benchmark: PackBenchmark) -> None:
    latency = benchmark.latency_ms("cifar10", "fpga")
    partition = auto_partition(SPACE, latency)
    lines = explain(partition, latency)
    assert len(lines) == 6
    for line, niche in zip(lines, partition.niches, strict=True):
        assert line.startswith(f"{niche.id}: {niche.rule}; ")
        assert "\n" not in line
        assert " ms" in line


def test_flat_devices_stay_whole() -> None:
    partition = auto_partition(SPACE, np.ones(len(SPACE.codes())))
    assert [niche.rule for niche in partition.niches] == ["any cell"]


def test_equal_parts_along_a_number() -> None:
    values = np.arange(len(SPACE.codes()), dtype=np.float64)
    values[:5] = np.nan
    partition = quantile_partition(SPACE, "flops", "M", values, 3)
    assert_covers(partition)
    sizes = [partition.members(niche.id).size for niche in partition.niches]
    assert max(sizes) - min(sizes) <= 6
    assert partition.niche_of(SPACE.cell(0)) == "Q0"
    assert partition.niches[1].rule.startswith("flops above 52")


def test_ties_stay_together() -> None:
    partition = quantile_partition(SPACE, "flops", "M", count(CONV3), 6)
    assert_covers(partition)
    assert len(partition.niches) < 6
    for level in range(7):
        assert np.unique(partition.labels()[count(CONV3) == level]).size == 1


@pytest.mark.parametrize(
    ("name", "niches"),
    [("auto", 6), ("auto:3", 3), ("latency:10", 10), ("flops:4", 4), ("params", 6), ("none", 1)],
)
def test_partitions_by_name(benchmark: PackBenchmark, name: str, niches: int) -> None:
    latency = benchmark.latency_ms("cifar10", "fpga")
    partition = open_partition(name, SPACE, benchmark, "cifar10", latency)
    assert partition.name == name
    assert len(partition.niches) == niches


@pytest.mark.parametrize("name", ["auto:x", "auto:0", "latency:99", "flops:", "magic"])
def test_unknown_names_are_refused(benchmark: PackBenchmark, name: str) -> None:
    latency = benchmark.latency_ms("cifar10", "fpga")
    with pytest.raises(RequestError):
        open_partition(name, SPACE, benchmark, "cifar10", latency)


def test_devices_without_latencies_are_refused() -> None:
    nothing = np.full(len(SPACE.codes()), np.nan)
    with pytest.raises(RequestError):
        auto_partition(SPACE, nothing)
    with pytest.raises(RequestError):
        quantile_partition(SPACE, "latency", "ms", nothing)
