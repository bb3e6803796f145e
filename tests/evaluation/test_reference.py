"""The frozen file is what the tables say, and the digest recognises them."""

from pathlib import Path

import numpy as np
import pytest

from llm_nas.domain import DATASETS, DEVICES
from llm_nas.errors import RequestError
from llm_nas.evaluation.front import context_digest, true_front
from llm_nas.evaluation.reference import (
    Reference,
    freeze,
    freeze_context,
    load_reference,
    save_reference,
)
from llm_nas.evaluation.score import relative_unit_hv
from llm_nas.evaluation.truth import FROZEN, ON_THE_FLY, open_context
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201


def test_every_context_is_frozen() -> None:
    reference = load_reference()
    found = [(entry.dataset, entry.device) for entry in reference.contexts]
    assert found == [(dataset, device) for dataset in DATASETS for device in DEVICES]
    assert all(e.eligible == 10_926 - (e.dataset == DATASETS[2]) for e in reference.contexts[2::6])


def test_a_saved_reference_reads_back(tmp_path: Path) -> None:
    accuracy, latency = np.array([90.0, 80.0]), np.array([2.0, 1.0])
    front = true_front("cifar10", accuracy, latency)
    digest = context_digest("cifar10", accuracy, latency)
    entry = freeze_context("cifar10", "mine", digest, front)
    reference = Reference(protocol=1, source="hand", digest="0", contexts=(entry,))
    save_reference(reference, tmp_path / "reference.json")
    text = (tmp_path / "reference.json").read_text()
    assert Reference.model_validate_json(text) == reference
    assert reference.find(digest) == entry
    assert reference.find("other") is None
    assert (entry.box, entry.unit_box) == (front.box, front.unit_box)


def test_the_tables_reproduce_the_frozen_file(tables: Path) -> None:
    """The one test that would notice a changed table, front, box or indicator."""
    again = freeze(open_benchmark(tables))
    for old, new in zip(load_reference().contexts, again.contexts, strict=True):
        assert (old.dataset, old.device, old.digest) == (new.dataset, new.device, new.digest)
        assert (old.front, old.eligible) == (new.front, new.eligible)
        assert new.ideal + new.nadir == pytest.approx(old.ideal + old.nadir, rel=1e-9)
        assert new.unit_low + new.unit_high == pytest.approx(
            old.unit_low + old.unit_high, rel=1e-9
        )
        assert new.true_hv == pytest.approx(old.true_hv, rel=1e-9)
        assert new.true_unit_hv == pytest.approx(old.true_unit_hv, rel=1e-9)


def test_the_unit_scale_reproduces_published_findings(tables: Path) -> None:
    """Best front inside S4+S5 and S2-S5 on fpga: the two ablation figures of the paper."""
    benchmark = open_benchmark(tables)
    context = open_context(benchmark, "cifar10", benchmark.latency_ms("cifar10", "fpga"))
    labels = make_partition(nas_bench_201()).labels()
    best = [relative_unit_hv(context, np.flatnonzero(labels >= n)) for n in (4, 2, 0)]
    assert best == pytest.approx([0.507, 0.842, 1.0], abs=5e-4)


def test_known_tables_are_recognised_and_others_computed(tables: Path) -> None:
    benchmark = open_benchmark(tables)
    latency = benchmark.latency_ms("cifar100", "edgetpu")
    assert open_context(benchmark, "cifar100", latency).origin == FROZEN
    mine = open_context(benchmark, "cifar100", 2.0 * latency)
    assert mine.origin.startswith(ON_THE_FLY)
    assert mine.true_hv == pytest.approx(open_context(benchmark, "cifar100", latency).true_hv)


def test_surrogate_tables_say_so() -> None:
    benchmark = PackBenchmark()
    latency = benchmark.latency_ms("cifar10", "fpga")
    assert "surrogate" in open_context(benchmark, "cifar10", latency).origin
    with pytest.raises(RequestError, match="shape"):
        open_context(benchmark, "cifar10", latency[:10])
