"""What earlier runs give a new one beside their trainings: a prior from claims, and a check.

Claims shift the *mean* of the accuracy process; how far they are believed is its own decision.
Reused trainings are checked on the run's own: a store of wrong accuracies is noticed.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from llm_nas.claims import Claim, Heuristic
from llm_nas.conditions import Condition, matches
from llm_nas.domain import Arch, FloatArray, Measurement, Metric, SourceVerdict
from llm_nas.knowledge.claims.edits import unknown_in
from llm_nas.knowledge.claims.evidence import LEAST_ARCHS, MOST_ARCHS, accuracy_scale
from llm_nas.knowledge.claims.pairs import Pair, PairSource
from llm_nas.knowledge.claims.process import Fit, fit_process
from llm_nas.knowledge.memory.ranking import TRUST, rank_correlation
from llm_nas.ports import Partition, SearchSpace

MOST_CLAIMS = 40
"""Claims a prior rests on: the clearest."""
PAIRS = 16
"""Drawn pairs that tell how far claims say the same."""
RIDGE = 0.1
"""Weight that keeps claims which say the same from being added up with opposite signs."""
LEAST_CORRELATION = 0.5
"""Rank correlation below which reused trainings are not believed. Right ones have 0.7 and more."""
LEAST_COHERENCE = 0.3
"""Rank correlation of trainings with what the others expect of them, below which they are no
trainings of these networks. Permuted values stay below .25 at 60, right ones have .7 and more."""
PARTS = 5
"""Parts in which trainings are held back to see whether the others foretell them."""
FEWEST = 5
"""Own trainings below which earlier ones are judged by themselves."""
_Z90 = 1.6448536269514722

Prior: TypeAlias = Callable[[Sequence[Arch]], FloatArray]
"""Expected change of the error of architectures, `(n,)`, up to a constant."""


def prior_of(
    heuristics: Sequence[Heuristic], space: SearchSpace, partition: Partition | None = None
) -> Prior | None:
    """What believed claims about accuracy expect, in error units; None when they say nothing.

    Claims of other spaces count where this one has all they speak of. Effects are shrunk by
    their own uncertainty and the status, and shared out between claims that overlap, so that
    switching a claim's condition on changes the sum by that claim's effect.
    """
    pairs = PairSource(space, partition)
    usable = [h for h in heuristics if _usable(h, space)]
    strongest = sorted(usable, key=lambda h: -abs(_effect(h)))[:MOST_CLAIMS]
    drawn = [(h, pairs.of(_here(h))) for h in strongest]
    kept = [(h, found.pairs[:PAIRS]) for h, found in drawn if found is not None]
    if not kept:
        return None
    conditions = [h.claim.condition for h, _ in kept]
    effects = np.array([_effect(h) for h, _ in kept])
    changes = np.stack([_switched(space, conditions, own) for _, own in kept])
    gram = changes.T @ changes + RIDGE * np.eye(len(kept))
    weights = np.linalg.solve(gram, changes.T @ effects)
    return lambda archs: (
        -np.array(
            [float(_met(space, conditions, arch) @ weights) for arch in archs], dtype=np.float64
        )
    )


def _usable(heuristic: Heuristic, space: SearchSpace) -> bool:
    claim = heuristic.claim
    return (
        claim.effect.objective == "accuracy"
        and heuristic.status in ("supported", "trusted")
        and not heuristic.benched
        and not claim.scope.niches
        and unknown_in(space, claim.condition) is None
    )


def _here(heuristic: Heuristic) -> Claim:
    """The claim as one about this space."""
    claim = heuristic.claim
    return claim.model_copy(update={"scope": claim.scope.model_copy(update={"space": ""})})


def _effect(heuristic: Heuristic) -> float:
    """A claim's effect, shrunk towards zero by what is not known of it."""
    told = heuristic.evidence
    error = (told.high - told.low) / (2 * _Z90)
    sure = told.mean_effect**2 / (told.mean_effect**2 + error**2 + 1e-12)
    return TRUST[heuristic.status] * sure * told.mean_effect


def _switched(
    space: SearchSpace, conditions: Sequence[Condition], pairs: Sequence[Pair]
) -> FloatArray:
    """How often every condition is switched on (+) or off (-) by some pairs, `(claims,)`."""
    changes = [
        _met(space, conditions, p.having) - _met(space, conditions, p.without) for p in pairs
    ]
    return np.asarray(np.mean(changes, axis=0), dtype=np.float64)


def _met(space: SearchSpace, conditions: Sequence[Condition], arch: Arch) -> FloatArray:
    facts = space.facts(arch)
    return np.array([matches(c, facts) for c in conditions], dtype=np.float64)


def judged(
    source: str,
    reused: Sequence[Measurement],
    own: Sequence[Measurement],
    metric: Metric,
    space: SearchSpace,
    fit: Fit = fit_process,
) -> SourceVerdict:
    """Whether earlier trainings can be believed.

    Before there are own trainings: do they foretell each other, each part from the others?
    Values that belong to other networks do not. Later: do they rank the run's own networks?

    Args:
        source: name for the verdict.
        reused: earlier trainings, of the same task or a related one.
        own: this run's trainings; those that `reused` holds as well speak for themselves.
        metric: turns values of both into errors.
        space: whose networks they are.
        fit: the process that carries `reused` over to the networks of `own`.
    """
    if len(reused) < LEAST_ARCHS:
        reason = f"{len(reused)} trainings say nothing of each other"
        return SourceVerdict(source=source, kept=True, cells=0, reason=reason)
    thinned = reused[:: -(-len(reused) // MOST_ARCHS)]
    told = accuracy_scale(metric, metric.errors(np.array([m.value for m in thinned])))
    features = space.features([m.arch for m in thinned])
    if len(own) < FEWEST:
        rho = rank_correlation(_foretold(features, told, fit).tolist(), told.tolist())
        kept, what = rho >= LEAST_COHERENCE, f"{len(thinned)} trainings foretell each other"
    else:
        expected, _ = fit(features, told).joint(space.features([m.arch for m in own]))
        rho = rank_correlation(expected.tolist(), [-metric.error(m.value) for m in own])
        kept, what = _may_agree(rho, len(own)), f"it ranks {len(own)} own trainings"
    reason = f"{what} with correlation {rho:+.2f}: {'enough' if kept else 'not enough'}"
    return SourceVerdict(
        source=source, kept=kept, cells=len(own), rank_correlation=rho, reason=reason
    )


def _foretold(features: FloatArray, values: FloatArray, fit: Fit) -> FloatArray:
    """What a process expects of every part of some trainings from all others, `(n,)`."""
    part = np.arange(len(values)) % PARTS
    expected = np.empty(len(values))
    for n in range(PARTS):
        held = part == n
        expected[held] = fit(features[~held], values[~held]).joint(features[held])[0]
    return expected


def _may_agree(rho: float, n: int) -> bool:
    """Whether a correlation of `n` pairs, half an error up, reaches what right ones have."""
    bounded = min(max(rho, -0.999), 0.999)
    upper = np.tanh(np.arctanh(bounded) + 0.5 / np.sqrt(max(n - 3, 1)))
    return bool(upper >= LEAST_CORRELATION)
