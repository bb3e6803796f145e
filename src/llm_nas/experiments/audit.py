"""Are supported heuristics true? Checked on every cell of a tabulated space.

A search never sees any of this: test accuracies and unmeasured latencies are opened here, after
the fact, to judge the claims a store calls supported.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llm_nas.claims import Heuristic, Objective
from llm_nas.domain import FloatArray, Frozen
from llm_nas.evaluation.truth import TruthContext
from llm_nas.experiments.setting import benchmark_in, truth_context
from llm_nas.knowledge.evidence import LEAST_ERROR_PCT
from llm_nas.knowledge.store import HeuristicStore, default_world
from llm_nas.knowledge.world import World
from llm_nas.tools.latency import open_energy

WORST = 10
"""Mistakes an audit lists."""


class Checked(Frozen):
    """A supported claim beside its effect on the whole table."""

    id: str
    objective: Objective
    statement: str
    true_effect: float
    mean_effect: float
    low: float
    high: float
    sign_right: bool
    covered: bool


class AuditReport(Frozen):
    """What became of a store's supported claims about one context; shares in [0, 1]."""

    dataset: str
    device: str
    data_source: str
    claims: int
    sign_precision: float | None
    """Share whose direction is right on the whole table; None without a supported claim."""
    interval_coverage: float | None
    """Share whose 90 % interval holds the effect on the whole table."""
    worst: tuple[Checked, ...]
    """Wrong signs first, then missed intervals, by distance in interval widths."""
    by_objective: dict[Objective, tuple[int, int]]
    """Claims, and those whose interval holds the true effect, by objective."""
    untestable: int
    """Supported claims without a matched pair or without values in the tables."""


def audit(
    store: HeuristicStore, dataset: str, device: str, data_dir: Path | None = None
) -> AuditReport:
    """Check a store's supported and trusted claims about a context against the whole table.

    Raises:
        RequestError: For an unknown dataset or device.
        DataError: For tables that cannot be read.
    """
    truth = truth_context(data_dir, dataset, device)
    context = f"{dataset}/{device.partition('=')[0]}"
    supported = [
        h
        for status in ("supported", "trusted")
        for h in store.list(status=status, limit=1_000_000)
        if context in h.evidence.contexts
    ]
    energy_mj = open_energy(benchmark_in(data_dir), dataset, device)
    return judge(supported, truth, context, default_world(), energy_mj)


def judge(
    heuristics: Sequence[Heuristic],
    truth: TruthContext,
    context: str,
    world: World,
    energy_mj: FloatArray | None = None,
) -> AuditReport:
    """Compare evidence with the truth of one context (`dataset/device`)."""
    checked = [_check(h, _true_effect(h, truth, world, energy_mj)) for h in heuristics]
    found = [claim for claim in checked if claim is not None]
    wrong = [c for c in found if not (c.sign_right and c.covered)]
    return AuditReport(
        dataset=truth.dataset,
        device=context.partition("/")[2],
        data_source=truth.origin,
        claims=len(found),
        sign_precision=float(np.mean([c.sign_right for c in found])) if found else None,
        interval_coverage=float(np.mean([c.covered for c in found])) if found else None,
        worst=tuple(sorted(wrong, key=_badness)[:WORST]),
        by_objective=_by_objective(found),
        untestable=len(heuristics) - len(found),
    )


def _by_objective(found: Sequence[Checked]) -> dict[Objective, tuple[int, int]]:
    totals: dict[Objective, tuple[int, int]] = {}
    for claim in found:
        count, covered = totals.get(claim.objective, (0, 0))
        totals[claim.objective] = (count + 1, covered + claim.covered)
    return totals


def _true_effect(
    heuristic: Heuristic, truth: TruthContext, world: World, energy_mj: FloatArray | None
) -> float | None:
    """The effect on the whole table, in the unit and at the error the evidence is given in."""
    question = world.question(heuristic.claim)
    if question is None:
        return None
    values = _values(heuristic, truth, energy_mj)
    if values is None:
        return None
    return world.table.true_effect(heuristic.claim.condition, question.inside, values)


def _values(
    heuristic: Heuristic, truth: TruthContext, energy_mj: FloatArray | None
) -> FloatArray | None:
    match heuristic.claim.effect.objective:
        case "accuracy":
            typical = heuristic.evidence.typical_error_pct
            errors = np.maximum(100.0 - truth.test_accuracy_pct, LEAST_ERROR_PCT)
            return None if typical is None else -typical * np.log(errors)
        case "latency":
            return truth.latency_ms
        case "energy":
            return energy_mj


def _check(heuristic: Heuristic, true_effect: float | None) -> Checked | None:
    if true_effect is None:
        return None
    evidence = heuristic.evidence
    return Checked(
        id=heuristic.id,
        objective=heuristic.claim.effect.objective,
        statement=heuristic.claim.statement,
        true_effect=true_effect,
        mean_effect=evidence.mean_effect,
        low=evidence.low,
        high=evidence.high,
        sign_right=true_effect * heuristic.claim.effect.sign > 0,
        covered=evidence.low <= true_effect <= evidence.high,
    )


def _badness(claim: Checked) -> tuple[bool, float]:
    half = max((claim.high - claim.low) / 2, 1e-12)
    return claim.sign_right, -abs(claim.true_effect - claim.mean_effect) / half
