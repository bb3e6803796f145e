"""Children that would decide heuristics nothing supports yet.

A proposed heuristic is no fact. What settles it is a matched pair: a cell one edge away from a
measured one of which exactly one of the two meets its condition. Designers are told of such cells;
`DecidingDesigner` spends children on them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from llm_nas.claims import Heuristic, matches
from llm_nas.domain import Proposal
from llm_nas.ports import Decider, Designer, Moves, NicheView

_MOST_PARENTS = 6
_MOST_DECIDERS = 4


def deciders(
    moves: Moves, view: NicheView, heuristics: Sequence[Heuristic]
) -> tuple[Decider, ...]:
    """Unmeasured cells of the niche that decide proposed heuristics, most at once first.

    They are mutations of the niche's best cells, so that the test costs the search little.
    """
    undecided = [h for h in heuristics if h.status == "proposed"]
    if not undecided:
        return ()
    seen = {moves.twin(m.arch) for m in view.measured}
    found: list[Decider] = []
    for parent in view.archive[:_MOST_PARENTS]:
        held = _met(moves, parent.arch, undecided)
        for child in moves.mutations(view.niche.id, parent.arch):
            told = tuple(sorted(held ^ _met(moves, child, undecided)))
            twin = moves.twin(child)
            if told and twin not in seen:
                seen.add(twin)
                found.append(Decider(child, parent.arch, told))
    return tuple(sorted(found, key=lambda d: -len(d.heuristics))[:_MOST_DECIDERS])


def _met(moves: Moves, arch: str, heuristics: Sequence[Heuristic]) -> set[str]:
    """Ids of the heuristics whose condition a cell meets."""
    facts = moves.facts(arch)
    return {h.id for h in heuristics if matches(h.claim.condition, facts)}


class DecidingDesigner:
    """Spends some children of every call on deciding heuristics, and leaves the rest to another.

    Implements `llm_nas.ports.Designer`.
    """

    def __init__(self, designer: Designer, most: int = 1) -> None:
        """Decide with up to `most` children a call; the other designer always keeps one."""
        self._designer = designer
        self._most = most

    @property
    def source(self) -> str:
        """The other designer's name: it is the one that can fail."""
        return self._designer.source

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        """The other designer's children, then those that decide."""
        count = max(0, min(self._most, len(view.deciders), view.slots - 1))
        others = self._designer.propose(replace(view, slots=view.slots - count), heuristics, rng)
        taken = {p.arch for p in others}
        own = [d for d in view.deciders if d.arch not in taken][:count]
        return (*others, *map(_proposal, own))


def _proposal(decider: Decider) -> Proposal:
    return Proposal(
        arch=decider.arch,
        operator="mutation",
        source="offline",
        parents=(decider.parent,),
        heuristics=decider.heuristics,
        rationale="decides proposed heuristics",
    )
