"""What a model is worth: against the offline runs of the same seeds, what is missed, the money."""

from pathlib import Path

import pytest

from llm_nas.agents.chat.nonsense import NONSENSE_MODEL, NonsenseTransport
from llm_nas.domain import ContextName, Cost
from llm_nas.errors import RequestError
from llm_nas.experiments.worth import (
    WAYS,
    Way,
    WorthPlan,
    WorthRow,
    picture,
    summarise,
    table,
    worth,
)

NAME = ContextName(space="nb201", task="cifar10", device="fpga")
PLAN = WorthPlan(model="some:model", contexts=(NAME,), seeds=(0, 1), ways=("offline", "loop"))


def row(way: Way, seed: int, to90: float | None, usd: float) -> WorthRow:
    return WorthRow(
        way=way,
        context=str(NAME),
        seed=seed,
        hv_at={"12": 0.8, "24": 0.9 + 0.01 * seed},
        trainings_to={"0.90": to90, "0.95": None},
        cost=Cost(usd=usd),
    )


def test_trainings_saved_are_paired_and_priced() -> None:
    rows = [row("offline", 0, 20, 0), row("offline", 1, None, 0)]
    rows += [row("loop", 0, 14, 0.3), row("loop", 1, 18, 0.5)]
    offline, loop = summarise(PLAN, rows)
    assert offline.saved["0.90"].mean == 0.0
    assert loop.saved["0.90"].mean == pytest.approx((6 + 6) / 2)
    assert offline.missed == {"0.90": 1, "0.95": 2}
    assert loop.usd_per_training["0.90"] == pytest.approx(0.4 / 6)
    assert loop.usd_per_training["0.95"] is None
    assert "| loop | 0.800 | 0.905 | +6.0 (+6.0 to +6.0) | +0.0 (+0.0 to +0.0) | 0/2 | 0.4 |" in (
        table(PLAN, [offline, loop])
    )
    assert picture([offline, loop]).startswith(b"\x89PNG")


def test_offline_is_no_model() -> None:
    with pytest.raises(RequestError, match="asks no language model"):
        worth(PLAN.model_copy(update={"model": "offline"}))


@pytest.mark.slow
def test_every_way_runs_with_a_model_that_knows_nothing(tmp_path: Path) -> None:
    plan = WorthPlan(
        model=NONSENSE_MODEL, contexts=(NAME,), seeds=(0,), trainings=12, opening=8, batch=4
    )
    rows = worth(plan, tmp_path, NonsenseTransport())
    assert [r.way for r in rows] == list(WAYS)
    by_way = {r.way: r for r in rows}
    assert by_way["offline"].cost.calls == 0
    assert all(by_way[w].cost.calls > 0 for w in WAYS[1:])
    assert worth(plan, tmp_path, NonsenseTransport()) == rows
