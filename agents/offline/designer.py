"""The offline Designer: no language model.

It proposes what the Advisor chose for its niche, and fills what is left with crossings
(probability 0.5) and mutants of the niche's archive. Of a few such children it takes one in
proportion to what the heuristics it was shown say of them.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.conditions import matches
from llm_nas.domain import Arch, Candidate, Measurement
from llm_nas.errors import RequestError
from llm_nas.ports import Moves, NicheView, SearchSpace

CROSSOVER_PROBABILITY = 0.5
"""As published (arXiv 2510.01472)."""
_MOST_PARENTS = 12
_AIMED_PARENTS = 4
"""Parents next to an empty latency range, when a counter-measure aims at it."""
_DRAWS = 4
"""Children among which the heuristics choose one."""
_TRIES_PER_CHILD = 8
_LOG_ODDS = 0.5
"""Log-odds a supported heuristic adds to a child it favours, and takes from one it disfavours."""
_MOST_LOG_ODDS = 3.0


class OfflineDesigner:
    """Proposes by expected improvement, then by heuristic-weighted variation."""

    source = "offline"

    def __init__(self, space: SearchSpace, moves: Moves) -> None:
        self._space = space
        self._moves = moves
        self._facts = lru_cache(maxsize=4096)(space.facts)

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Candidate, ...]:
        """`view.slots` candidates where the niche has that many new networks, best first."""
        seen = {self._space.twin(m.arch) for m in view.measured}
        seen |= {self._space.twin(failure.arch) for failure in view.broken}
        chosen: list[Candidate] = []
        for candidate in view.suggestions[: view.slots]:
            if self._space.twin(candidate.arch) not in seen:
                seen.add(self._space.twin(candidate.arch))
                chosen.append(candidate)
        parents = self._parents(view)
        for _ in range(_TRIES_PER_CHILD * view.slots):
            if len(chosen) >= view.slots:
                break
            try:
                child = self._child(view.niche.id, parents, heuristics, rng)
            except RequestError:
                break  # the niche holds nothing else
            twin = self._space.twin(child.arch)
            if twin not in seen:
                seen.add(twin)
                chosen.append(child)
        return tuple(chosen)

    def _parents(self, view: NicheView) -> list[Arch]:
        """Whose children fill the niche: of its archive, those next to what is aimed at first.

        None when the last children were mostly repetitions: then networks are drawn afresh.
        """
        if self.source in view.restrained:
            return []
        if not view.aims_ms:
            return [m.arch for m in view.archive[:_MOST_PARENTS]]
        near = sorted(view.archive, key=lambda m: _distance_ms(m, view.aims_ms))
        return [m.arch for m in near[:_AIMED_PARENTS]]

    def _child(
        self,
        niche: str,
        parents: Sequence[Arch],
        heuristics: Sequence[Heuristic],
        rng: np.random.Generator,
    ) -> Candidate:
        picked = [parents[int(i)] for i in rng.permutation(len(parents))[:2]]
        moves = self._moves
        draw: Callable[[], Arch]
        if not picked:
            operator, draw = "sample", lambda: moves.sample(niche, rng)
        elif len(picked) == 2 and rng.random() < CROSSOVER_PROBABILITY:
            first, second = picked
            operator, draw = "crossover", lambda: moves.cross(niche, first, second, rng)
        else:
            picked = picked[:1]
            operator, draw = "mutation", lambda: moves.mutate(niche, picked[0], rng)
        children = [draw() for _ in range(_DRAWS if heuristics else 1)]
        return Candidate(
            arch=self._choose(children, heuristics, rng),
            niche=niche,
            origin=self.source,
            operator=operator,
            reason="weighted by claims" if heuristics else "",
            parents=tuple(picked),
            claims=tuple(h.id for h in heuristics),
        )

    def _choose(
        self, archs: Sequence[Arch], heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> Arch:
        weights = [self._weight(arch, heuristics) for arch in archs]
        shares = [weight / sum(weights) for weight in weights]
        return archs[int(rng.choice(len(archs), p=shares))]

    def _weight(self, arch: Arch, heuristics: Sequence[Heuristic]) -> float:
        facts = self._facts(arch)
        met = [h for h in heuristics if matches(h.claim.condition, facts)]
        log_odds = _LOG_ODDS * sum(_benefit(h) for h in met)
        return math.exp(max(-_MOST_LOG_ODDS, min(_MOST_LOG_ODDS, log_odds)))


def _benefit(heuristic: Heuristic) -> int:
    """+1 when the claimed effect is welcome, -1 when not, 0 while nothing supports it."""
    if heuristic.status not in ("supported", "trusted"):
        return 0
    sign = heuristic.claim.effect.sign
    return sign if heuristic.claim.effect.objective == "accuracy" else -sign


def _distance_ms(network: Measurement, ranges_ms: Sequence[tuple[float, float]]) -> float:
    """How far a network's latency lies from the nearest of some ranges."""
    latency_ms = network.latency_ms
    return min(max(low - latency_ms, latency_ms - high, 0.0) for low, high in ranges_ms)
