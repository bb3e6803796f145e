import numpy as np
import pytest

from llm_nas.agents.validator import CellValidator
from llm_nas.domain import Proposal, Verdict
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
PARTITION = make_partition(SPACE)
S1 = "|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
S1_TWIN = "|none~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|"
OTHER = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
S0 = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


def judge(*archs: str, evaluated: tuple[str, ...] = ()) -> tuple[Verdict, ...]:
    latency = np.ones(SPACE.size)
    latency[SPACE.index(SPACE.parse(OTHER))] = np.nan
    validator = CellValidator(SPACE, PARTITION, latency, "toy")
    proposals = [Proposal(arch=a, operator="model", source="m") for a in archs]
    return validator.check("S1", proposals, evaluated)


def test_a_new_legal_cell_is_accepted() -> None:
    (verdict,) = judge(S1)
    assert (verdict.decision, verdict.kind, verdict.arch) == ("accepted", "ok", S1)


@pytest.mark.parametrize(
    "sloppy",
    [
        S1.upper(),
        f"  {S1} ",
        S1.replace("_", "-"),
        S1.replace("|", "| "),
        S1.strip("|").replace("|+|", "+"),
        f"`{S1}`",
    ],
)
def test_spelling_is_put_right_and_said(sloppy: str) -> None:
    (verdict,) = judge(sloppy)
    assert verdict.arch == S1
    assert verdict.decision in ("accepted", "repaired")
    assert (verdict.decision == "accepted") == (sloppy.strip() == S1)


@pytest.mark.parametrize(
    ("arch", "evaluated", "kind"),
    [
        ("|conv~0|", (), "illegal"),
        ("'; DROP TABLE measurement; --", (), "illegal"),
        (S0, (), "out_of_niche"),
        (S1, (S1,), "evaluated"),
        (S1_TWIN, (S0,), "evaluated"),
        (OTHER, (), "no_latency"),
    ],
)
def test_rejections_say_why(arch: str, evaluated: tuple[str, ...], kind: str) -> None:
    (verdict,) = judge(arch, evaluated=evaluated)
    assert (verdict.decision, verdict.kind, verdict.arch) == ("rejected", kind, None)
    assert verdict.reason


def test_the_second_of_two_equal_networks_is_a_duplicate() -> None:
    one = "|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    dead_elsewhere = "|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    first, second = judge(one, dead_elsewhere)
    assert first.kind == "ok"
    assert second.kind == "duplicate"
