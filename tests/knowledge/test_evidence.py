"""Pairs, effects and the rule that what suggested a claim does not test it."""

import numpy as np
import pytest

from llm_nas.claims import Claim
from llm_nas.conditions import AllOf, AnyOf, Bound, Condition, Count, Is, Not, Quantity, matches
from llm_nas.domain import ACCURACY, FloatArray
from llm_nas.knowledge.claims.edits import predicate, switch_on
from llm_nas.knowledge.claims.evidence import Sample, SourceEvidence, effect, exact_parts
from llm_nas.knowledge.claims.pairs import PairSource, matched
from llm_nas.knowledge.claims.process import fit_process
from tests.knowledge.world import (
    K1,
    KERNELS,
    PARTITION,
    SPACE,
    Board,
    World,
    claim,
    draw,
    error,
    measured,
)

CONDITIONS: list[Condition] = [
    K1,
    Is(choice="op", values=("pool", "skip")),
    Count(group="kernels", values=(7,), relation="ge", count=3),
    Count(group="kernels", values=(3, 5), relation="le", count=2),
    Not(part=Count(group="kernels", values=(3,), relation="ge", count=1)),
    AllOf(parts=(K1, Is(choice="op", values=("skip",)))),
    AnyOf(parts=(K1, Bound(choice="k2", relation="le", value=3))),
    Not(part=Is(choice="op", values=("conv",))),
    Bound(choice="ratio", relation="ge", value=4),
    Quantity(name="params_m", low=3.4),
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_switching_on_is_legal_and_the_smallest_edit(condition: Condition) -> None:
    rng, holds = np.random.default_rng(0), predicate(SPACE, condition)
    for arch in draw(40, 1):
        other = switch_on(SPACE, arch, condition, rng)
        assert other is not None
        assert SPACE.parse(other) == other
        assert holds(other) is matches(condition, SPACE.facts(other)) is True
        if holds(arch):
            assert other == arch
        elif any(holds(near) for near in SPACE.neighbours(arch)):
            assert other in set(SPACE.neighbours(arch))


def test_an_ordered_choice_moves_one_step() -> None:
    arch = next(a for a in draw(50, 2) if SPACE.values(a)["k2"] == 3)
    wide = switch_on(
        SPACE, arch, Bound(choice="k2", relation="ge", value=5), np.random.default_rng()
    )
    assert wide is not None
    assert SPACE.values(wide)["k2"] == 5


def test_matched_pairs_differ_only_in_what_is_named() -> None:
    archs = draw(400, 3)
    condition = Is(choice="op", values=("pool",))
    found = matched(SPACE, condition, archs)
    slow = {
        (i, j)
        for i, a in enumerate(archs)
        for j, b in enumerate(archs)
        if matches(condition, SPACE.facts(a)) > matches(condition, SPACE.facts(b))
        and {**SPACE.values(a), "op": 0} == {**SPACE.values(b), "op": 0}
    }
    assert set(found) == slow
    assert found
    assert matched(SPACE, Quantity(name="params_m", low=3.0), archs) == []


def _sample(n: int, seed: int, noise: float = 0.02) -> Sample:
    rows = measured(draw(n, seed), seed, noise=noise)
    values = np.array([m.value for m in rows])
    return Sample(tuple(m.arch for m in rows), values, ACCURACY)


def test_an_effect_is_the_mean_of_the_posterior_difference() -> None:
    """Slow twin: draw whole functions from the posterior and average their differences."""
    pairs, sample = PairSource(SPACE, PARTITION), _sample(30, 4)
    drawn = pairs.of(claim(K1))
    assert drawn is not None
    process = fit_process(SPACE.features(sample.archs), sample.scaled)
    mean, variance = effect(process, drawn)
    means, covariance = process.joint(drawn.features)
    jitter = 1e-9 * np.eye(len(means))
    draws = np.random.default_rng(0).multivariate_normal(means, covariance + jitter, 20_000)
    n = len(drawn.pairs)
    changes = (draws[:, :n] - draws[:, n:]).mean(axis=1)
    spread = np.var(means[:n] - means[n:], ddof=1) / n
    assert mean == pytest.approx(changes.mean(), abs=3e-3)
    assert variance == pytest.approx(changes.var() + spread, rel=0.05)


def test_intervals_cover_the_true_effect() -> None:
    """Over runs of 40 trainings, nine intervals in ten; the true effects are written in world."""
    true = {"k1": 0.12, "k2": 0.08, "k3": 0.05, "k4": -0.04, "k5": 0.0, "k6": 0.0}
    claims = {k: claim(Bound(choice=k, relation="ge", value=7)) for k in KERNELS}
    pairs, covered, right = PairSource(SPACE, PARTITION), list[bool](), list[bool]()
    for seed in range(8):
        parts = SourceEvidence(_sample(40, seed), pairs).parts(claims)
        for name, part in parts.items():
            drawn = pairs.of(claims[name])
            assert drawn is not None
            # From 3 or 5 to 7: one or two steps.
            steps = np.mean([7 - float(SPACE.values(p.without)[name]) for p in drawn.pairs]) / 2
            miss = abs(part.mean - true[name] * float(steps))
            covered.append(miss <= 1.645 * part.variance**0.5)
            if name in ("k1", "k2"):
                right.append(part.mean > 0)
    assert np.mean(covered) >= 0.85
    assert all(right)


def test_networks_that_suggested_a_claim_do_not_test_it() -> None:
    """The suggesting half says the opposite of the truth: only the other half may speak."""
    sample = _sample(60, 5)
    half = sample.archs[:30]
    lying = [100.0 - 2 * error(a) if SPACE.values(a)["k1"] == 7 else 99.0 for a in half]
    values: FloatArray = np.concatenate([np.array(lying), sample.values[30:]])
    spoiled = Sample(sample.archs, values, ACCURACY)
    claims = {"honest": claim(K1, archs=half), "naive": claim(K1)}
    parts = SourceEvidence(spoiled, PairSource(SPACE, PARTITION)).parts(claims)
    assert parts["honest"].mean > 0 > parts["naive"].mean
    assert parts["honest"].archs == 30
    few = claim(K1, archs=sample.archs[:55])
    assert SourceEvidence(spoiled, PairSource(SPACE, PARTITION)).parts({"few": few}) == {}


def test_an_exact_device_leaves_nothing_to_estimate() -> None:
    pool = claim(Is(choice="op", values=("pool",)), "latency", tasks=())
    part = exact_parts(Board(), PairSource(SPACE, PARTITION), {"pool": pool})["pool"]
    assert part.mean == pytest.approx(2.0)
    assert part.exact
    assert part.variance < 1e-9
    assert (part.n_for, part.n_against) == (64, 0)


def test_claims_about_unknown_names_or_niches_cannot_be_tested() -> None:
    def why(one: Claim) -> str | None:
        return PairSource(SPACE, PARTITION).why_not(one)

    assert why(claim(K1)) is None
    assert "k9" in str(why(claim(Bound(choice="k9", relation="ge", value=5))))
    assert "S7" in str(why(claim(K1, niches=("S7",))))
    assert PairSource(SPACE, PARTITION).of(claim(K1, niches=("S7",))) is None
    assert World.metric == ACCURACY
