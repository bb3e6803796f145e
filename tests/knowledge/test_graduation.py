"""Claims compiled to distributions."""

from collections.abc import Callable

import numpy as np
import pytest

from llm_nas.claims import Claim, Evidence, Heuristic, OpAt
from llm_nas.knowledge.graduation import graduate
from llm_nas.tools.space import NasBench201


def test_without_claims_it_is_uniform(space: NasBench201) -> None:
    assert graduate(space, ()).by_edge == pytest.approx(np.full((6, 5), 0.2))


def test_a_trusted_claim_shifts_its_operation_and_nothing_else(
    space: NasBench201, claim: Callable[..., Claim]
) -> None:
    good = claim(OpAt(edge="3>4", op="nor_conv_3x3"), "accuracy", "raises")
    evidence = Evidence(mean_effect=2.0, spread=1.0, p_value=0.0, low=1.0, high=3.0)
    trusted = Heuristic(id=good.key, claim=good, status="trusted", evidence=evidence)
    made = graduate(space, [trusted])
    assert made.claims == (good.key,)
    assert made.by_edge[5].argmax() == space.operations.index("nor_conv_3x3")
    assert made.by_edge[:5] == pytest.approx(np.full((5, 5), 0.2))
    assert made.by_edge.sum(axis=1) == pytest.approx(np.ones(6))
    rng = np.random.default_rng(0)
    assert len(made.sample(rng)) == 6
    assert sum(a != b for a, b in zip((0,) * 6, made.mutate((0,) * 6, rng), strict=True)) == 1
    doubted = trusted.model_copy(update={"status": "contested"})
    assert graduate(space, [doubted]).claims == ()
