"""Supported claims beside the truth."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from llm_nas.claims import Evidence, Heuristic
from llm_nas.conditions import Is
from llm_nas.evaluation.truth import Truth
from llm_nas.knowledge.claims import audit
from llm_nas.knowledge.claims.audit import Auditor
from llm_nas.knowledge.claims.edits import switch_on
from llm_nas.knowledge.claims.pairs import PairSource
from llm_nas.knowledge.store import HeuristicStore
from tests.knowledge.world import (
    HERE,
    K1,
    PARTITION,
    SPACE,
    Board,
    World,
    claim,
    error,
    run_lesson,
)


@pytest.fixture
def auditor(monkeypatch: pytest.MonkeyPatch) -> Auditor:
    monkeypatch.setattr(audit, "DRAWN", 1500)
    return Auditor(HERE, cast(Truth, World()), PairSource(SPACE, PARTITION))


def told(low: float, high: float, *, raises: bool = True) -> Heuristic:
    evidence = Evidence(
        method="process",
        mean_effect=(low + high) / 2,
        low=low,
        high=high,
        at=20.0,
        contexts=(str(HERE),),
    )
    one = claim(K1, raises=raises)
    return Heuristic(id=one.key, claim=one, status="supported", evidence=evidence)


def test_the_true_effect_is_the_mean_over_random_pairs(auditor: Auditor) -> None:
    """Slow twin: the same mean with networks, edits and errors taken one by one."""
    rng = np.random.default_rng(5)
    changes: list[float] = []
    while len(changes) < 1500:
        arch = SPACE.sample(rng)
        other = switch_on(SPACE, arch, K1, rng)
        if other is not None and other != arch:
            changes.append(float(np.log(error(arch) / error(other))))
    true = auditor.true_effect(told(0, 1))
    assert true == pytest.approx(20.0 * float(np.mean(changes)), rel=0.04)


def test_signs_and_intervals_are_counted(auditor: Auditor) -> None:
    true = auditor.true_effect(told(0, 1))
    assert true is not None
    good, missed = told(true - 0.1, true + 0.1), told(true + 1, true + 2)
    wrong = told(-2.0, -1.0, raises=False)
    idle = good.model_copy(update={"status": "proposed"})
    report = auditor.audit([good, missed, wrong, idle])
    assert report.claims == 3
    assert report.sign_precision == pytest.approx(2 / 3)
    assert report.interval_coverage == pytest.approx(1 / 3)
    assert report.by_objective.keys() == {"accuracy"}
    assert [c.sign_right for c in report.worst] == [False, True]
    assert auditor.audit([]).sign_precision is None


def test_a_run_is_mostly_right_and_exact_latencies_are_not_audited(
    auditor: Auditor, tmp_path: Path
) -> None:
    board = HERE.model_copy(update={"device": "board2"})
    pool = claim(Is(choice="op", values=("pool",)), "latency", tasks=())
    with HeuristicStore.open(tmp_path, space=SPACE, device=Board()) as store:
        store.learn(run_lesson(1, 60, claims=[pool], context=board))
        found = store.list(limit=1000)
    assert {h.claim.effect.objective for h in found if h.status == "supported"} == {
        "accuracy",
        "latency",
    }
    report = auditor.audit(found)
    assert report.by_objective.keys() == {"accuracy"}
    assert report.claims >= 4
    assert report.sign_precision == 1.0
    assert report.interval_coverage is not None
    assert report.interval_coverage >= 0.8
