"""What earlier runs give a new one: a prior, and trainings that are checked."""

from pathlib import Path

import numpy as np
import pytest

from llm_nas.claims import Evidence, Heuristic
from llm_nas.conditions import Bound, Condition, Count
from llm_nas.domain import ACCURACY, Arch
from llm_nas.knowledge.memory.ranking import rank_correlation
from llm_nas.knowledge.memory.reuse import judged, prior_of
from llm_nas.knowledge.store import HeuristicStore
from tests.knowledge.world import K1, SPACE, claim, draw, error, measured, run_lesson


def heuristic(condition: Condition, effect: float, error_of_it: float = 1e-3) -> Heuristic:
    half = 1.645 * error_of_it
    told = Evidence(method="process", mean_effect=effect, low=effect - half, high=effect + half)
    one = claim(condition, raises=effect > 0)
    return Heuristic(id=one.key, claim=one, status="trusted", evidence=told)


def test_a_prior_expects_what_its_claims_say() -> None:
    prior = prior_of(
        [heuristic(K1, 2.0), heuristic(Bound(choice="k2", relation="ge", value=5), -1.0)], SPACE
    )
    assert prior is not None
    first, with_k1, with_k2 = (
        f"k1={a} k2={b} k3=5 k4=5 k5=5 k6=5 op=conv se=0" for a, b in ((3, 3), (7, 3), (3, 5))
    )
    base, one, other = prior([first, with_k1, with_k2]).tolist()
    # Errors fall where accuracy rises; the ridge takes a tenth.
    assert one - base == pytest.approx(-2.0, rel=0.12)
    assert other - base == pytest.approx(1.0, rel=0.15)


def test_claims_that_say_the_same_are_not_added_up() -> None:
    many = [
        heuristic(Count(group="kernels", values=(7,), relation="ge", count=n), 1.0) for n in (2, 3)
    ]
    same = [heuristic(K1, 2.0), heuristic(Bound(choice="k1", relation="ge", value=6), 2.0)]
    arch = "k1=3 k2=5 k3=5 k4=5 k5=5 k6=5 op=conv se=0"
    pair = [arch, arch.replace("k1=3", "k1=7")]
    prior = prior_of(same, SPACE)
    assert prior is not None
    assert np.diff(prior(pair))[0] == pytest.approx(-2.0, rel=0.1)
    assert prior_of([*same, *many], SPACE) is not None


def test_doubtful_and_foreign_claims_shift_little_or_nothing() -> None:
    pair = [f"k1={v} k2=5 k3=5 k4=5 k5=5 k6=5 op=conv se=0" for v in (3, 7)]
    doubtful = prior_of([heuristic(K1, 1.0, error_of_it=3.0)], SPACE)
    assert doubtful is not None
    assert abs(np.diff(doubtful(pair))[0]) < 0.15
    assert prior_of([heuristic(Bound(choice="q", relation="ge", value=1), 1.0)], SPACE) is None
    proposed = heuristic(K1, 1.0).model_copy(update={"status": "proposed"})
    assert prior_of([proposed], SPACE) is None


def test_a_prior_learnt_from_trainings_ranks_networks(tmp_path: Path) -> None:
    with HeuristicStore.open(tmp_path, space=SPACE) as store:
        store.learn(run_lesson(1, 60))
        prior = prior_of(store.list(limit=1000), SPACE)
    assert prior is not None
    archs = draw(60, 77)
    assert rank_correlation(prior(archs).tolist(), [error(a) for a in archs]) > 0.7


def test_a_store_of_wrong_accuracies_is_noticed() -> None:
    def wrong(arch: Arch) -> float:
        return 400.0 / error(arch)

    own = measured(draw(12, 50), 50)
    honest = judged("photos", measured(draw(60, 1), 1), own, ACCURACY, SPACE)
    assert honest.kept
    assert honest.rank_correlation is not None
    assert honest.rank_correlation > 0.7
    hostile = judged("photos", measured(draw(60, 1), 1, errors=wrong), own, ACCURACY, SPACE)
    assert not hostile.kept
    assert "correlation -" in hostile.reason
    assert judged("photos", (), own, ACCURACY, SPACE).rank_correlation is None


def test_permuted_accuracies_are_noticed_without_a_training() -> None:
    right = measured(draw(60, 1), 1)
    values = np.random.default_rng(2).permutation([m.value for m in right])
    permuted = [
        m.model_copy(update={"value": float(v)}) for m, v in zip(right, values, strict=True)
    ]
    assert judged("photos", right, (), ACCURACY, SPACE).kept
    told = judged("photos", permuted, (), ACCURACY, SPACE)
    assert not told.kept
    assert told.cells == 0


def test_ranks_with_ties() -> None:
    assert rank_correlation([1, 2, 2, 4], [1, 2, 2, 4]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0.0
