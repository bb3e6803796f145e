"""The offline Analyst: measures what operations do, no language model.

From all measured cells it fits, for every simple condition that some cell of its niche meets,
a least-squares effect on accuracy and latency beside the operation counts, and proposes the
clearest ones as claims. Whether a claim holds is not its call: the knowledge store computes
evidence from matched pairs and decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from llm_nas.claims import (
    CellFacts,
    Claim,
    Condition,
    DeadEdges,
    Effect,
    Heuristic,
    OpAt,
    OpCount,
    OpOnPath,
    Origin,
    Scope,
    matches,
)
from llm_nas.domain import FloatArray, Measurement
from llm_nas.ports import Analysis, Moves, NicheView

_FEWEST_CELLS = 12
"""Measured cells below which an effect is not worth a sentence."""
_FEWEST_MATCHES = 3
_CLAIMS_PER_VIEW = 8
_MOST_COUNT = 3
_CLEAR = 2.0
"""Least |effect| / standard error of a proposed claim."""


@dataclass(frozen=True, slots=True)
class _Finding:
    condition: Condition
    objective: Literal["accuracy", "latency"]
    effect: float
    clarity: float
    cells: tuple[str, ...]


class OfflineAnalyst:
    """Proposes claims about operations from measured effects."""

    source = "offline"

    def __init__(self, moves: Moves, space_name: str) -> None:
        self._moves = moves
        self._space_name = space_name

    def study(self, view: NicheView, heuristics: Sequence[Heuristic]) -> Analysis:
        """The clearest claims this niche's cells allow, and no votes: evidence decides."""
        if len(view.measured) < _FEWEST_CELLS:
            return Analysis(note=f"{len(view.measured)} cells measured: too few to say anything")
        facts = [self._moves.facts(m.arch) for m in view.measured]
        own = [f for f, m in zip(facts, view.measured, strict=True) if m.niche == view.niche.id]
        findings = _findings(view.measured, facts, _conditions(own))
        known = {h.claim.key for h in heuristics}
        claims = [self._claim(view, f) for f in findings]
        fresh = [c for c in claims if c.key not in known][:_CLAIMS_PER_VIEW]
        note = f"{len(findings)} clear effects in {len(facts)} cells; {len(fresh)} proposed"
        return Analysis(claims=tuple(fresh), note=note)

    def _claim(self, view: NicheView, finding: _Finding) -> Claim:
        direction: Literal["raises", "lowers"] = "raises" if finding.effect > 0 else "lowers"
        by_device = finding.objective == "latency"
        scope = Scope(
            space=self._space_name,
            datasets=(view.dataset,),
            devices=(view.device,) if by_device else (),
        )
        return Claim(
            condition=finding.condition,
            effect=Effect(
                objective=finding.objective,
                direction=direction,
                size=float(f"{abs(finding.effect):.3g}"),
            ),
            scope=scope,
            origin=Origin(source=self.source, generation=view.generation, cells=finding.cells),
        )


def _conditions(facts: Sequence[CellFacts]) -> list[Condition]:
    """Simple conditions at least one of these cells meets, in a fixed order."""
    found: dict[str, Condition] = {}
    for cell in facts:
        ops = list(cell.op_at.values())
        mine: list[Condition] = [OpAt(edge=edge, op=op) for edge, op in cell.op_at.items()]
        mine += [OpOnPath(op=op) for op in sorted(cell.ops_on_paths)]
        mine += [
            OpCount(op=op, relation="ge", count=n)
            for op in sorted(set(ops))
            for n in range(1, min(ops.count(op), _MOST_COUNT) + 1)
        ]
        if cell.dead_edges:
            mine.append(DeadEdges(relation="ge", count=1))
        found.update({condition.model_dump_json(): condition for condition in mine})
    return [found[key] for key in sorted(found)]


def _findings(
    measured: Sequence[Measurement], facts: Sequence[CellFacts], conditions: Sequence[Condition]
) -> list[_Finding]:
    """Effects with |t| above the bar, clearest first."""
    operations = sorted({op for f in facts for op in f.op_at.values()})
    counts = np.array(
        [[list(f.op_at.values()).count(op) for op in operations] for f in facts], dtype=np.float64
    )
    accuracy = np.array([m.predicted_accuracy_pct for m in measured])
    latency = np.array([m.latency_ms for m in measured])
    found: list[_Finding] = []
    for condition in conditions:
        meets = np.array([matches(condition, f) for f in facts])
        if not _FEWEST_MATCHES <= meets.sum() <= len(facts) - _FEWEST_MATCHES:
            continue
        examples = tuple(m.arch for m, hit in zip(measured, meets, strict=True) if hit)[:3]
        covariates = counts if isinstance(condition, OpAt | DeadEdges) else counts[:, :0]
        for objective, values in (("accuracy", accuracy), ("latency", latency)):
            effect, clarity = _effect(meets.astype(np.float64), covariates, values)
            if clarity >= _CLEAR:
                name: Literal["accuracy", "latency"] = (
                    "accuracy" if objective == "accuracy" else "latency"
                )
                found.append(_Finding(condition, name, effect, clarity, examples))
    return sorted(found, key=lambda f: -f.clarity)


def _effect(meets: FloatArray, covariates: FloatArray, values: FloatArray) -> tuple[float, float]:
    """Least-squares effect of an indicator beside covariates, and |effect| / standard error."""
    design = np.column_stack([meets, np.ones(len(meets)), covariates[:, 1:]])
    solution, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    freedom = len(values) - int(rank)
    if freedom < 1:
        return 0.0, 0.0
    residual = values - design @ solution
    noise = float(residual @ residual) / freedom
    spread = float(np.linalg.pinv(design.T @ design)[0, 0]) * noise
    effect = float(solution[0])
    return effect, abs(effect) / float(np.sqrt(spread)) if spread > 0.0 else 0.0
