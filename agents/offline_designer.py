"""The offline Designer: no language model, a real method.

It proposes the cells of its niche that the Advisor expects to improve the front most, and
fills what is left with crossover (probability 0.5) or mutation of the niche's Pareto parents,
children drawn in proportion to what the heuristics say of them. Every proposal carries its
lineage: the parent it is one mutation away from, the two it is a crossover of, or the
nearest parent where it is further from all.
"""

from collections.abc import Sequence

import numpy as np

from llm_nas.agents.preference import ByHeuristics, Preference
from llm_nas.claims import Heuristic
from llm_nas.domain import Proposal
from llm_nas.ports import Moves, NicheView

CROSSOVER_PROBABILITY = 0.5
"""As published (arXiv 2510.01472)."""
_MOST_PARENTS = 12
_AIMED_PARENTS = 4
"""Parents next to an empty latency range, when a counter-measure aims at it."""
_PICK, _PROBE = "largest expected improvement", "asked for by a counter-measure"
_TRIES_PER_CHILD = 8


class OfflineDesigner:
    """Proposes by expected improvement, then by heuristic-weighted variation."""

    source = "offline"

    def __init__(self, moves: Moves, preference: Preference | None = None) -> None:
        """Prefer children by the heuristics shown, unless another preference is given."""
        self._moves = moves
        self._preference = preference or ByHeuristics(moves)

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        """`view.slots` proposals where the niche has that many new cells, best first."""
        ids = tuple(h.id for h in heuristics)
        parents = [m.arch for m in view.archive[:_MOST_PARENTS]]
        wanted = [*((a, _PROBE) for a in view.probes), *((a, _PICK) for a in view.suggestions)]
        chosen = [self._lineage(a, parents, ids, why) for a, why in wanted[: view.slots]]
        mates = self._mates(view)
        seen = {self._moves.twin(m.arch) for m in view.measured}
        seen |= {self._moves.twin(p.arch) for p in chosen}
        for _ in range(_TRIES_PER_CHILD * view.slots):
            if len(chosen) >= view.slots:
                break
            child = self._vary(view.niche.id, mates, heuristics, ids, rng)
            twin = self._moves.twin(child.arch)
            if twin not in seen:
                seen.add(twin)
                chosen.append(child)
        return tuple(chosen)

    def _mates(self, view: NicheView) -> list[str]:
        """Whose children fill the niche: Pareto parents, those next to what is aimed at first.

        None when the last children were mostly repetitions: then cells are drawn afresh.
        """
        if self.source in view.restrained:
            return []
        if not view.aims_ms:
            return [m.arch for m in view.archive[:_MOST_PARENTS]]
        near = sorted(view.archive, key=lambda m: _distance_ms(m.latency_ms, view.aims_ms))
        return [m.arch for m in near[:_AIMED_PARENTS]]

    def _lineage(
        self, arch: str, parents: Sequence[str], ids: tuple[str, ...], why: str
    ) -> Proposal:
        if not parents:
            return _proposal(arch, "sample", [], ids, "first cells of the niche")
        distance, nearest = min((self._edges_apart(arch, p), p) for p in parents)
        if distance == 1:
            return _proposal(arch, "mutation", [nearest], ids, why)
        for i, first in enumerate(parents):
            for second in parents[i + 1 :]:
                if self._crosses(arch, first, second):
                    return _proposal(arch, "crossover", [first, second], ids, why)
        return _proposal(arch, "jump", [nearest], ids, f"{why}; {distance} edges changed")

    def _crosses(self, arch: str, first: str, second: str) -> bool:
        """Whether a cell takes every edge from one of two parents."""
        child, a, b = (self._moves.facts(cell).op_at for cell in (arch, first, second))
        return all(op in (a[edge], b[edge]) for edge, op in child.items())

    def _edges_apart(self, first: str, second: str) -> int:
        """Edges on which two cells differ, as written or as used, whichever are fewer."""
        twins = self._moves.twin(first), self._moves.twin(second)
        pairs = [[self._moves.facts(a).op_at for a in two] for two in ((first, second), twins)]
        return min(sum(a[edge] != b[edge] for edge in a) for a, b in pairs)

    def _vary(
        self,
        niche: str,
        parents: Sequence[str],
        heuristics: Sequence[Heuristic],
        ids: tuple[str, ...],
        rng: np.random.Generator,
    ) -> Proposal:
        if not parents:
            return self._sample(niche, heuristics, ids, rng)
        picked = [parents[int(i)] for i in rng.permutation(len(parents))[:2]]
        children: tuple[str, ...] = ()
        operator = "crossover"
        if len(picked) == 2 and rng.random() < CROSSOVER_PROBABILITY:
            children = self._moves.crossings(niche, *picked)
        if not children:
            operator, picked = "mutation", picked[:1]
            children = self._moves.mutations(niche, picked[0])
        if not children:
            return self._sample(niche, heuristics, ids, rng)
        child = self._choose(children, heuristics, rng)
        return _proposal(child, operator, picked, ids, f"weighted by {self._preference.by}")

    def _sample(
        self,
        niche: str,
        heuristics: Sequence[Heuristic],
        ids: tuple[str, ...],
        rng: np.random.Generator,
    ) -> Proposal:
        """A cell of the niche: uniform, or the preferred one of a few uniform ones."""
        drawn = [self._moves.sample(niche, rng) for _ in range(self._preference.draws)]
        if len(drawn) == 1:
            return _proposal(drawn[0], "sample", [], ids, "uniform")
        why = f"of {len(drawn)} uniform cells, weighted by {self._preference.by}"
        return _proposal(self._choose(drawn, heuristics, rng), "sample", [], ids, why)

    def _choose(
        self, archs: Sequence[str], heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> str:
        weights = self._preference.weights(archs, heuristics, rng)
        return archs[int(rng.choice(len(archs), p=weights / weights.sum()))]


def _distance_ms(latency_ms: float, ranges_ms: Sequence[tuple[float, float]]) -> float:
    """How far a latency lies from the nearest of some ranges."""
    return min(max(low - latency_ms, latency_ms - high, 0.0) for low, high in ranges_ms)


def _proposal(
    arch: str, operator: str, parents: Sequence[str], ids: tuple[str, ...], why: str
) -> Proposal:
    return Proposal(
        arch=arch,
        operator=operator,
        source=OfflineDesigner.source,
        parents=tuple(parents),
        heuristics=ids,
        rationale=why,
    )
