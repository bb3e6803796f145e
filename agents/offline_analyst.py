"""The offline Analyst: measures what operations do, no language model.

From all measured cells it fits, for every simple condition that some cell of its niche meets,
a least-squares effect on accuracy, latency and energy beside the operation counts, and proposes
the clearest ones that are not known yet as claims. Whether a claim holds is not its call: the
knowledge store computes evidence from matched pairs and decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from llm_nas.claims import (
    CellFacts,
    Claim,
    Condition,
    DeadEdges,
    Effect,
    Heuristic,
    Objective,
    OpAt,
    OpCount,
    OpOnPath,
    Origin,
    Scope,
)
from llm_nas.domain import FloatArray
from llm_nas.ports import Analysis, Moves, NicheView

_FEWEST_CELLS = 12
"""Measured cells below which an effect is not worth a sentence."""
_FEWEST_MATCHES = 3
_CLAIMS_PER_VIEW = 8
_MOST_COUNT = 3
_EXAMPLES = 3
_CLEAR = 2.0
"""Least |effect| / standard error of a proposed claim."""


@dataclass(frozen=True, slots=True)
class _Finding:
    condition: Condition
    objective: Objective
    effect: float
    clarity: float
    cells: tuple[str, ...]


class OfflineAnalyst:
    """Proposes claims about operations from measured effects."""

    source = "offline"

    def __init__(self, moves: Moves, space_name: str) -> None:
        self._moves = moves
        self._space_name = space_name
        self._met = lru_cache(maxsize=4096)(self._conditions_met)

    def study(self, view: NicheView, heuristics: Sequence[Heuristic]) -> Analysis:
        """The clearest claims this niche's cells allow, and no votes: evidence decides."""
        if len(view.measured) < _FEWEST_CELLS:
            return Analysis(note=f"{len(view.measured)} cells measured: too few to say anything")
        facts = [self._moves.facts(m.arch) for m in view.measured]
        met = [self._met(m.arch) for m in view.measured]
        own = [c for c, m in zip(met, view.measured, strict=True) if m.niche == view.niche.id]
        asked = {name: c for conditions in own for name, c in conditions.items()}
        conditions = {name: asked[name] for name in sorted(asked)}
        meets = np.array([[name in c for name in conditions] for c in met], dtype=np.float64)
        findings = _findings(view, facts, list(conditions.values()), meets)
        known = view.known_claims | {h.claim.key for h in heuristics}
        claims = [self._claim(view, f) for f in findings]
        fresh = [c for c in claims if c.key not in known][:_CLAIMS_PER_VIEW]
        note = f"{len(findings)} clear effects in {len(facts)} cells; {len(fresh)} proposed"
        return Analysis(claims=tuple(fresh), note=note)

    def _conditions_met(self, arch: str) -> dict[str, Condition]:
        return conditions_met(self._moves.facts(arch))

    def _claim(self, view: NicheView, finding: _Finding) -> Claim:
        direction: Literal["raises", "lowers"] = "raises" if finding.effect > 0 else "lowers"
        by_device = finding.objective != "accuracy"
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


def conditions_met(cell: CellFacts) -> dict[str, Condition]:
    """The simple conditions a cell meets, by their JSON text."""
    ops = list(cell.op_at.values())
    met: list[Condition] = [OpAt(edge=edge, op=op) for edge, op in cell.op_at.items()]
    met += [OpOnPath(op=op) for op in cell.ops_on_paths]
    met += [
        OpCount(op=op, relation="ge", count=n)
        for op in set(ops)
        for n in range(1, min(ops.count(op), _MOST_COUNT) + 1)
    ]
    if cell.dead_edges:
        met.append(DeadEdges(relation="ge", count=1))
    return {condition.model_dump_json(): condition for condition in met}


def _values(view: NicheView) -> dict[Objective, FloatArray]:
    """What was measured of all cells, by objective; `(n,)` each."""
    values: dict[Objective, FloatArray] = {
        "accuracy": np.array([m.predicted_accuracy_pct for m in view.measured]),
        "latency": np.array([m.latency_ms for m in view.measured]),
    }
    if view.energy_mj:
        values["energy"] = np.array([view.energy_mj[m.arch] for m in view.measured])
    return values


def _findings(
    view: NicheView,
    facts: Sequence[CellFacts],
    conditions: Sequence[Condition],
    meets: FloatArray,
) -> list[_Finding]:
    """Effects with |t| above the bar, clearest first; `meets` is `(cells, conditions)`."""
    enough = (meets.sum(axis=0) >= _FEWEST_MATCHES) & (
        (1.0 - meets).sum(axis=0) >= _FEWEST_MATCHES
    )
    groups: dict[str, list[int]] = {}
    for column, condition in enumerate(conditions):
        if enough[column]:
            groups.setdefault(_beside(condition), []).append(column)
    values = _values(view)
    objectives, targets = list(values), np.column_stack(list(values.values()))
    found: list[_Finding] = []
    for group, chosen in groups.items():
        covariates = _covariates(facts, group)
        effects, clarity = least_squares_effects(meets[:, chosen], covariates, targets)
        clear: list[list[int]] = np.argwhere(clarity.T >= _CLEAR).tolist()
        for target, place in clear:
            column = chosen[place]
            cells: list[int] = np.flatnonzero(meets[:, column])[:_EXAMPLES].tolist()
            found.append(
                _Finding(
                    conditions[column],
                    objectives[target],
                    float(effects[place, target]),
                    float(clarity[place, target]),
                    tuple(view.measured[i].arch for i in cells),
                )
            )
    return sorted(found, key=lambda f: -f.clarity)


_ALL_EDGES, _NOTHING = "all edges", "nothing"


def _beside(condition: Condition) -> str:
    """What is held fixed when a condition's effect is fitted.

    An operation at an edge is compared with the others there: operations on the other edges are
    held fixed, as in a matched pair. What a condition counts itself is not held fixed.
    """
    match condition:
        case OpAt(edge=edge):
            return edge
        case DeadEdges():
            return _ALL_EDGES
        case _:
            return _NOTHING


def _covariates(facts: Sequence[CellFacts], beside: str) -> FloatArray:
    """How often each operation but the first stands on the edges held fixed, `(n, k)`."""
    if beside == _NOTHING:
        return np.zeros((len(facts), 0))
    written = [[op for edge, op in f.op_at.items() if edge != beside] for f in facts]
    operations = sorted({op for ops in written for op in ops})
    return np.array([[ops.count(op) for op in operations[1:]] for ops in written], dtype=float)


def least_squares_effects(
    meets: FloatArray, covariates: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Least-squares effect of each indicator beside covariates, and |effect| / standard error.

    `meets` is `(n, k)`, `values` is `(n, t)`, one column an objective; both results are
    `(k, t)`, 0 where covariates explain an indicator. Covariates are projected out of both
    sides first (Frisch, Waugh & Lovell).
    """
    base = np.column_stack([np.ones(len(values)), covariates])
    span, size, _ = np.linalg.svd(base, full_matrices=False)
    span = span[:, size > 1e-9 * size[0]]
    indicators = meets - span @ (span.T @ meets)
    targets = values - span @ (span.T @ values)
    freedom = len(values) - span.shape[1] - 1
    power = np.sum(indicators**2, axis=0)[:, None]
    usable = (power > 1e-9) & (freedom > 0)
    safe = np.where(usable, power, 1.0)
    effects = np.where(usable, (indicators.T @ targets) / safe, 0.0)
    left = np.sum(targets**2, axis=0) - effects**2 * power
    noise = np.maximum(left, 1e-12) / max(freedom, 1)
    return effects, np.where(usable, np.abs(effects) / np.sqrt(noise / safe), 0.0)
