"""Evolved fronts find the true front where it can be listed, inactive choices included."""

from collections.abc import Sequence
from itertools import product
from zlib import crc32

import numpy as np

from llm_nas import Choice, Space
from llm_nas.conditions import Bound
from llm_nas.domain import Arch, FloatArray
from llm_nas.evaluation.evolve import Effort, Genes, evolved_front
from llm_nas.evaluation.reference import digest_of, front_of, front_positions

DEEP = Bound(choice="depth", relation="ge", value=2)
SPACE = Space(
    "toy",
    [
        Choice("depth", (1, 2, 3), ordered=True),
        Choice("w1", (1, 2, 3, 4), ordered=True),
        Choice("w2", (1, 2, 3, 4), ordered=True, active_when=DEEP),
        *(Choice(f"k{i}", (3, 5, 7), ordered=True) for i in range(4)),
    ],
)


def judge(archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
    values = [SPACE.values(arch) for arch in archs]
    size = np.array([sum(float(v) ** 1.5 for v in row.values()) for row in values])
    odd = np.array(
        [sum(crc32(f"{name}={v}".encode()) % 97 for name, v in row.items()) for row in values]
    )
    return 100 / size + odd / 40, size * (1 + odd / 900)


def everything() -> list[Arch]:
    found = {
        SPACE.arch(dict(zip((c.name for c in SPACE.choices), values, strict=True)))
        for values in product(*(c.values for c in SPACE.choices))
    }
    return sorted(found)


def test_the_true_front_is_found() -> None:
    archs = everything()
    expected = front_of(archs, *judge(archs))
    effort = Effort(evaluations=2000, start=100, batch=200, seeds=3)
    found, errors, latencies_ms = evolved_front(SPACE.choices, judge, effort)
    assert set(found) == set(expected.archs)
    np.testing.assert_allclose(errors, expected.error)
    np.testing.assert_allclose(latencies_ms, expected.latency_ms)


def test_genes_spell_legal_architectures_without_inactive_choices() -> None:
    genes, rng = Genes(SPACE.choices), np.random.default_rng(0)
    codes = genes.tidy(genes.random(300, rng))
    assert all(SPACE.parse(text) == text for text in genes.texts(codes))
    assert any("w2" not in text for text in genes.texts(codes))
    assert len(genes.neighbours(codes[:1])) == sum(len(c.values) - 1 for c in SPACE.choices)
    changed = (genes.mutants(codes, rng) != codes).sum(axis=1)
    assert changed.max() <= 3


def test_a_front_by_the_slow_way() -> None:
    rng = np.random.default_rng(0)
    errors, latencies_ms = rng.integers(0, 12, (2, 60)).astype(np.float64)
    points = set(zip(latencies_ms.tolist(), errors.tolist(), strict=True))
    slow = sorted(
        p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)
    )
    kept = front_positions(errors, latencies_ms)
    assert list(zip(latencies_ms[kept].tolist(), errors[kept].tolist(), strict=True)) == slow


def test_digests_ignore_the_last_digits_only() -> None:
    table = np.array([1.0, np.nan, 3.0])
    assert digest_of(table) == digest_of(table + 1e-9)
    assert digest_of(table) != digest_of(table + 1e-3)
