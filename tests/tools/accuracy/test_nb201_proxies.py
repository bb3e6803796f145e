"""Tabulated proxies: completed from twins, borrowed where nobody has published them."""

from pathlib import Path

import numpy as np
import pytest

from llm_nas.tools.data.nb201 import nb201_tables
from llm_nas.tools.data.proxies import TaskProxies
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.spaces.nb201.cells import twin_of


@pytest.mark.parametrize("task", ["cifar10", "cifar100"])
def test_twins_lend_values_and_another_task_whole_proxies(tables: Path, task: str) -> None:
    source = nb201_tables(tables)
    proxies, archs = TaskProxies(source, task), source.archs[:400]
    published, found = source.proxies(task, archs), proxies.values(archs)
    known = np.isfinite(published)
    np.testing.assert_array_equal(found[known], published[known])
    twins = proxies.values([twin_of(arch) for arch in archs])
    jacov = PROXIES.index("jacov")
    np.testing.assert_array_equal(found[:, jacov], twins[:, jacov])
    kept = {"flops", "params", "zen"}
    expected = dict.fromkeys([p for p in PROXIES if p not in kept], "cifar10")
    assert proxies.lent == (expected if task == "cifar100" else {})
    assert "flops" not in proxies.missing
    assert proxies.missing["zen"] == 341
    if task == "cifar100":
        assert proxies.missing["synflow"] == 15_625
