"""Scores that need no label."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from llm_nas.choices import Choice
from llm_nas.tools.spaces import Space, open_space
from llm_nas.tools.tasks import open_task
from llm_nas.tools.zero_cost import open_zero_cost
from tests.tools.advisor.toy import World


def test_size_where_nothing_else_is_known() -> None:
    world = World()
    scores = open_zero_cost(world.space, "anything")
    assert scores.names == ("log_macs_m",)
    archs = ["w0=1", "w0=8"]
    small, large = (
        " ".join([a, *(f"w{i}=1" for i in range(1, 8)), *(f"k{i}=3" for i in range(8))])
        for a in archs
    )
    values = scores.scores([small, large])["log_macs_m"]
    assert values[0] < values[1]
    assert values[0] == pytest.approx(np.log(8 * 9 / 100))


def test_nothing_where_nothing_is_known() -> None:
    space = Space("bare", [Choice("a", (1, 2)), Choice("b", ("x", "y"))])
    assert open_zero_cost(space, "anything").names == ()


def test_tabulated_proxies_go_with_accuracy() -> None:
    space = open_space("nb201")
    task = open_task("cifar10", space)
    rng = np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(150)]
    values = [task.train(a, 1.0, 0).value for a in archs]  # type: ignore[union-attr]
    scores = open_zero_cost(space, "cifar10").scores(archs)
    assert set(scores) == {"nwot", "synflow", "zen", "jacov"}
    known = np.isfinite(scores["nwot"])
    agreement = spearmanr(scores["nwot"][known], np.array(values)[known]).statistic
    assert agreement > 0.5
